import pytest

from engine.plan.suspension import BY, REASON, UNTIL, instant
from engine.runtime import SystemClock
from tests.support.scripted_api import ScriptedApi
from tests.unit.cli.conftest import Lockstep
from tests.unit.cli.test_reconcile import KS, obj, serve

FAR = "2999-12-24T18:00:00Z"


async def test_a_reason_and_an_end_are_written_with_the_suspension(
    api: ScriptedApi, lockstep: Lockstep
) -> None:
    serve(api, KS, obj("Kustomization", "apps"))
    ended = await lockstep(
        "suspend", "ks", "apps", "--reason", "a move", "--until", FAR, "--by", "ada"
    )

    assert ended.out == f"✔ Kustomization apps suspended by ada until {FAR}: a move\n"
    marks = {REASON: "a move", UNTIL: FAR, BY: "ada"}
    assert [each.body for each in api.asked("PATCH")] == [
        {"spec": {"suspend": True}, "metadata": {"annotations": marks}}
    ]


async def test_a_duration_is_counted_from_now_and_who_suspends_is_noted(
    api: ScriptedApi, lockstep: Lockstep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "ada")
    serve(api, KS, obj("Kustomization", "apps"))
    before = int(SystemClock().wall())
    await lockstep("suspend", "ks", "apps", "--for", "2h")
    after = SystemClock().wall()

    (patch,) = (each.body for each in api.asked("PATCH"))
    annotations = patch["metadata"]["annotations"]
    assert before <= instant(annotations[UNTIL]) - 2 * 3600 <= after
    assert annotations[BY] == "ada"


async def test_what_was_said_before_goes_with_the_next_suspension_and_when_it_is_resumed(
    api: ScriptedApi, lockstep: Lockstep
) -> None:
    old = obj("Kustomization", "apps", suspend=True)
    old["metadata"]["annotations"] = {REASON: "old", UNTIL: FAR, "other": "stays"}
    serve(api, KS, old)
    await lockstep("suspend", "ks", "apps")
    await lockstep("resume", "ks", "apps", "--no-wait")

    nothing = {"annotations": {REASON: None, UNTIL: None}}
    assert [each.body for each in api.asked("PATCH")] == [
        {"spec": {"suspend": True}, "metadata": nothing},
        {"spec": {"suspend": None}, "metadata": nothing},
    ]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["ks", "apps", "--until", "tomorrow"], "--until: 'tomorrow' is not an instant of RFC"),
        (["ks", "apps", "--until", "2020-01-01T00:00:00Z"], "is over already"),
        (["ks", "apps", "--until", FAR, "--for", "1h"], "give --until or --for, not both"),
        (["hr", "apps", "--reason", "x"], "HelmRelease is not reconciled by this engine"),
        (["ks", "apps", "--for", "soon"], "soon"),
    ],
)
async def test_what_cannot_be_meant_is_refused_before_anything_is_asked(
    api: ScriptedApi, lockstep: Lockstep, words: list[str], problem: str
) -> None:
    ended = await lockstep("suspend", *words)

    assert ended.status != 0
    assert problem in ended.err
    assert api.asked("PATCH") == []
