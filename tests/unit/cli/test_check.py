from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeAlias

import orjson
import pytest

from engine.cli import check
from engine.plugin import Context, Finding, Plugin, Severity
from tests.support.scripted_api import ScriptedApi, json

Lockstep: TypeAlias = Callable[..., Awaitable[Any]]


async def fine(_: Context) -> Iterable[Finding]:
    return [Finding(Severity.OK, "all is well")]


async def odd(_: Context) -> Iterable[Finding]:
    return [Finding(Severity.WARNING, "this is odd", "look at it")]


async def wrong(_: Context) -> Iterable[Finding]:
    return [Finding(Severity.ERROR, "this is wrong", "mend it")]


async def broken(_: Context) -> Iterable[Finding]:
    raise ZeroDivisionError("by zero")


async def refused(context: Context) -> Iterable[Finding]:
    return [Finding(Severity.OK, str(await context.client.document("/secret")))]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, api: ScriptedApi) -> Callable[..., None]:
    """`installed(a=check)` makes these the only checks, on an API server that answers."""
    api.on("GET", "/version", json({"gitVersion": "v1.36.3"}))

    def install(**checks: Any) -> None:
        monkeypatch.setattr(check, "load", lambda: Plugin("all", checks))

    return install


async def test_every_finding_is_a_line(installed: Any, lockstep: Lockstep) -> None:
    installed(first=fine, second=odd)
    ended = await lockstep("check")

    assert ended.status == 0
    assert ended.out == "✔ first: all is well\n! second: this is odd; look at it\n"


async def test_an_error_is_status_1(installed: Any, lockstep: Lockstep) -> None:
    installed(first=wrong, second=fine)
    ended = await lockstep("check")

    assert ended.status == 1
    assert ended.out == "✗ first: this is wrong; mend it\n✔ second: all is well\n"


async def test_findings_can_be_read_by_programs(installed: Any, lockstep: Lockstep) -> None:
    installed(first=wrong)
    ended = await lockstep("check", "-o", "json")

    assert orjson.loads(ended.out) == [
        {"check": "first", "severity": "error", "what": "this is wrong", "fix": "mend it"}
    ]


async def test_a_check_that_breaks_is_an_error_and_the_others_run(
    installed: Any, lockstep: Lockstep
) -> None:
    installed(first=broken, second=fine)
    ended = await lockstep("check")

    assert ended.status == 1
    assert ended.out.startswith("✗ first: could not be looked at: unexpected ZeroDivisionError")
    assert ended.out.endswith("✔ second: all is well\n")


async def test_a_check_that_is_refused_is_a_warning(installed: Any, lockstep: Lockstep) -> None:
    installed(first=refused)
    ended = await lockstep("check")

    assert ended.status == 0
    assert ended.out.startswith("! first: could not be looked at: ")


async def test_a_check_that_hangs_is_given_up(installed: Any, lockstep: Lockstep) -> None:
    async def hanging(context: Context) -> Iterable[Finding]:
        import anyio

        await anyio.sleep_forever()
        return []

    installed(first=hanging)
    ended = await lockstep("check", "--timeout", "50ms")

    assert (ended.status, ended.out) == (1, "✗ first: no result within 0.05s; raise --timeout\n")


async def test_without_a_cluster_there_is_one_error(lockstep: Lockstep) -> None:
    ended = await lockstep("check")

    assert (ended.status, ended.out) == (1, "")
    assert len(ended.err.splitlines()) == 1


def test_the_list_needs_no_cluster(call: Callable[..., Any]) -> None:
    rows = [line.split() for line in call("check", "--list").out.splitlines()]

    assert rows[0] == ["CHECK", "PLUGIN", "DISTRIBUTION"]
    assert ["leases", "builtin", "lockstep"] in rows
