import json
import logging

import pytest

from engine.telemetry import LEVELS, TRACE, about, because, level, logger, reconciling, set_level
from engine.telemetry.logs import Seldom
from tests.support.observing import logged


def plain(text: str) -> str:
    return text


def fail(text: str) -> None:
    raise ValueError(text)


def masked(text: str) -> str:
    return text.replace("hunter2", "***")


def test_a_line_has_the_keys_that_flux_logs_reads() -> None:
    with logged() as log:
        logger.info("applied", extra=about("Kustomization", "kustomize.x", "ns", "app"))

    line = json.loads(log.getvalue())
    assert line.pop("ts").endswith("Z")
    assert line == {
        "level": "info",
        "msg": "applied",
        "controller": "kustomization",
        "controllerGroup": "kustomize.x",
        "controllerKind": "Kustomization",
        "Kustomization": {"name": "app", "namespace": "ns"},
        "name": "app",
        "namespace": "ns",
    }


def test_lines_of_one_run_share_an_id_and_need_no_keys_of_their_own() -> None:
    with logged() as log:
        for _ in range(2):
            with reconciling("Kustomization", "g", "ns", "app", "a change", plain):
                logger.info("one")
                logging.getLogger("lockstep.runtime").info("two")

    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    ids = [line["reconcileID"] for line in lines]
    assert ids[0] == ids[1] != ids[2] == ids[3]
    assert all(len(each) == 32 for each in ids)
    assert [line["name"] for line in lines] == ["app"] * 4
    assert [line.get("logger") for line in lines[:2]] == [None, "runtime"]


def test_a_failure_stands_under_error() -> None:
    with logged() as log:
        logger.error("not written", extra=because(ValueError("too long")))
        logger.error("not written", extra=because(TimeoutError()))

    assert [json.loads(x)["error"] for x in log.getvalue().splitlines()] == [
        "too long",
        "TimeoutError",
    ]


def test_an_exception_is_an_error_with_its_traceback() -> None:
    with logged() as log:
        try:
            fail("odd")
        except ValueError:
            logger.exception("unexpected")

    line = json.loads(log.getvalue())
    assert (line["level"], line["error"]) == ("error", "ValueError: odd")
    assert line["stacktrace"].startswith("Traceback")


def test_what_a_run_must_not_tell_is_masked_in_every_part_of_a_line() -> None:
    with logged() as log, reconciling("K", "g", "ns", "app", "hunter2", masked):
        try:
            fail("hunter2 in the traceback")
        except ValueError:
            logger.exception("hunter2 in %s", "hunter2", extra={"keys": {"more": "hunter2"}})

    assert "hunter2" not in log.getvalue()
    assert json.loads(log.getvalue())["msg"] == "*** in ***"


def test_the_user_part_of_a_url_is_masked_everywhere() -> None:
    with logged() as log:
        logger.info("reconciling in https://admin:pass@word@host:6443/x, ask a@b.c")

    assert "https://***@host:6443/x, ask a@b.c" in log.getvalue()


def test_text_for_people_says_where_what_and_why() -> None:
    with logged(encoding="console") as log:
        with reconciling("Kustomization", "g", "ns", "app", "a change", plain):
            logger.error("BuildFailed, next try in 1m", extra=because("no such file"))
        logger.warning("late", extra={"keys": {"seconds": 3}})

    first, second = log.getvalue().splitlines()
    assert first[13:] == "error Kustomization/ns/app: BuildFailed, next try in 1m: no such file"
    assert second[13:] == "error late seconds=3"


def test_text_for_people_shows_a_traceback() -> None:
    with logged(encoding="console") as log:
        try:
            fail("odd")
        except ValueError:
            logger.exception("unexpected")

    assert log.getvalue().splitlines()[1].startswith("Traceback")


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (TRACE, "trace"),
        (logging.DEBUG, "debug"),
        (logging.INFO, "info"),
        (logging.WARNING, "error"),
        (logging.CRITICAL, "error"),
    ],
)
def test_levels_have_the_names_of_flux(number: int, name: str) -> None:
    with logged("trace") as log:
        logger.log(number, "x")

    assert json.loads(log.getvalue())["level"] == name


def test_the_level_is_changed_while_running() -> None:
    with logged("error") as log:
        logger.info("unheard")
        set_level("debug")
        logger.debug("heard")
        assert level() == "debug"

    assert [json.loads(line)["msg"] for line in log.getvalue().splitlines()] == ["heard"]
    with pytest.raises(KeyError):
        set_level("loud")
    assert list(LEVELS) == ["trace", "debug", "info", "error"]


def test_what_repeats_for_no_use_is_told_once_a_minute() -> None:
    seldom = Seldom()
    passed = []
    for at in (1000.0, 1001.0, 1059.0, 1061.0, 1062.0):
        record = logging.makeLogRecord({"created": at})
        if seldom.filter(record):
            passed.append(at)

    assert passed == [1000.0, 1061.0]


@pytest.mark.parametrize("odd", ["half a character \udc80", {"bytes": 2**70}])
def test_what_json_has_no_form_for_does_not_cost_the_line(odd: object) -> None:
    with logged() as log:
        logger.info("took in %s", odd, extra={"keys": {"odd": odd}})

    assert json.loads(log.getvalue())["odd"] == odd
