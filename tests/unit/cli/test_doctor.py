from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, TypeAlias

import orjson
import pytest

from engine.cli import doctor
from engine.objects.ref import Ref
from engine.plugin import Context, Finding, Plugin, Severity, Snapshot
from tests.support.scripted_api import ScriptedApi, json, status

Lockstep: TypeAlias = Callable[..., Awaitable[Any]]


async def fine(_: Snapshot, __: Context) -> Iterable[Finding]:
    return []


async def odd(_: Snapshot, __: Context) -> Iterable[Finding]:
    return [Finding(Severity.WARNING, "this is odd", "look at it")]


async def wrong(_: Snapshot, __: Context) -> Iterable[Finding]:
    about = Ref("g", "Kind", "ns", "n")
    why = "it hurts"
    return [
        Finding(Severity.WARNING, "less", "", about),
        Finding(Severity.ERROR, "more", "mend it", about, ("seen here",), why),
    ]


async def broken(_: Snapshot, __: Context) -> Iterable[Finding]:
    raise ZeroDivisionError("by zero")


async def barred(snapshot: Snapshot, _: Context) -> Iterable[Finding]:
    await snapshot.events()
    return []


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, api: ScriptedApi) -> Callable[..., None]:
    """`installed(a=diagnosis)` makes these the only checks, on an API server that answers."""
    api.on("GET", "/version", json({"gitVersion": "v1.36.3"}))

    def install(**diagnoses: Any) -> None:
        monkeypatch.setattr(doctor, "load", lambda: Plugin("all", diagnoses=diagnoses))

    return install


async def test_the_worst_is_told_first_with_why_and_what_mends_it(
    installed: Any, lockstep: Lockstep
) -> None:
    installed(first=odd, second=wrong, third=fine)
    ended = await lockstep("doctor")

    assert ended.status == 2
    assert ended.out == (
        "second\n"
        "  ✗ more\n"
        "      seen here\n"
        "      why: it hurts\n"
        "      fix: mend it\n"
        "  ! less\n"
        "\n"
        "first\n"
        "  ! this is odd\n"
        "      fix: look at it\n"
        "\n"
        "1 error, 2 warnings (3 checks, 1 request)\n"
    )


async def test_warnings_alone_are_status_1_and_nothing_is_0(
    installed: Any, lockstep: Lockstep
) -> None:
    installed(first=odd)
    warned, filtered = await lockstep("doctor"), await lockstep("doctor", "--severity", "error")
    installed(first=fine)
    well = await lockstep("doctor")

    assert (warned.status, filtered.status, well.status) == (1, 0, 0)
    assert well.out == "✔ nothing is wrong (1 check, 1 request)\n"


async def test_findings_can_be_read_by_programs(installed: Any, lockstep: Lockstep) -> None:
    installed(first=wrong)
    ended = await lockstep("doctor", "-o", "json", "--severity", "error")

    assert orjson.loads(ended.out) == {
        "severity": "error",
        "checks": 1,
        "requests": 1,
        "findings": [
            {
                "check": "first",
                "severity": "error",
                "object": {"group": "g", "kind": "Kind", "namespace": "ns", "name": "n"},
                "what": "more",
                "evidence": ["seen here"],
                "why": "it hurts",
                "fix": "mend it",
            }
        ],
    }


async def test_only_the_checks_that_are_named_look(installed: Any, lockstep: Lockstep) -> None:
    installed(first=wrong, second=odd)
    ended, unknown = (
        await lockstep("doctor", "--check", "second"),
        await lockstep("doctor", "--check", "third"),
    )

    assert ended.out.startswith("second\n  ! this is odd")
    assert unknown.status == 2
    assert "no check 'third'; there are: first, second" in unknown.err


async def test_a_check_that_breaks_does_not_stop_the_others(
    installed: Any, lockstep: Lockstep
) -> None:
    installed(first=broken, second=odd)
    ended = await lockstep("doctor")

    assert "✗ could not be looked at: unexpected ZeroDivisionError: by zero" in ended.out
    assert "! this is odd" in ended.out


async def test_what_may_not_be_read_is_told(
    installed: Any, lockstep: Lockstep, api: ScriptedApi
) -> None:
    installed(first=barred)
    core = {
        "kind": "APIGroupDiscoveryList",
        "items": [
            {
                "metadata": {"name": ""},
                "versions": [
                    {
                        "version": "v1",
                        "resources": [
                            {
                                "resource": "events",
                                "responseKind": {"group": "", "version": "v1", "kind": "Event"},
                                "scope": "Namespaced",
                                "verbs": ["list"],
                            }
                        ],
                    }
                ],
            }
        ],
    }
    api.on("GET", "/api", json(core))
    api.on("GET", "/apis", json({"kind": "APIGroupDiscoveryList", "items": []}))
    api.on("GET", "/api/v1/events", status(403, "no", reason="Forbidden"))
    ended = await lockstep("doctor")

    assert ended.status == 1
    assert "not everything could be read, so there may be more that is wrong" in ended.out
    assert "events: Forbidden" in ended.out


def test_the_list_needs_no_cluster(call: Callable[..., Any]) -> None:
    rows = call("doctor", "--list").out.split()

    assert rows[0] == "CHECK"
    assert {"failing", "orphans", "repository"} <= {*rows}


async def test_a_repository_is_looked_at_too(
    installed: Any, lockstep: Lockstep, tmp_path: Path
) -> None:
    installed(first=fine)
    (tmp_path / ".git").mkdir()
    (tmp_path / "s.yaml").write_text(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: hunter2}\n"
    )
    ended = await lockstep("doctor", "--repository", str(tmp_path))

    assert ended.status == 2
    assert "s.yaml:4" in ended.out
    assert "hunter2" not in ended.out
