from collections.abc import Callable
from typing import Any

import pytest
from anyio import to_thread
from click.shell_completion import ShellComplete

from engine.cli.main import group
from tests.support.scripted_api import ScriptedApi, hang, status
from tests.unit.cli.conftest import Lockstep
from tests.unit.cli.listings import listing

KS = "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/team/kustomizations"


def offered(*words: str, incomplete: str = "") -> list[str]:
    found = ShellComplete(group, {}, "lockstep", "_X").get_completions(list(words), incomplete)
    return [each.value for each in found]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_a_shell_gets_its_script(call: Callable[..., Any], shell: str) -> None:
    ended = call("completion", shell)

    assert ended.status == 0
    assert "_LOCKSTEP_COMPLETE" in ended.out


def test_another_shell_is_refused(call: Callable[..., Any]) -> None:
    assert call("completion", "csh").status == 2


def test_commands_and_kinds_are_offered() -> None:
    assert "events" in offered()
    assert offered("get", incomplete="kust") == ["kustomization", "kustomizations"]
    assert offered("get", "sources", incomplete="g") == ["git"]
    assert offered("create", "source") == ["git", "oci", "helm", "chart", "bucket"]


async def test_names_come_from_the_cluster(api: ScriptedApi, lockstep: Lockstep) -> None:
    found = [{"metadata": {"name": name}} for name in ("apps", "infra", "api")]
    api.on("GET", KS, listing(*found))
    names = await in_thread("suspend", "-n", "team", "ks", "api", incomplete="ap")

    assert names == ["apps"]


async def test_a_cluster_that_refuses_offers_nothing(api: ScriptedApi, lockstep: Lockstep) -> None:
    api.on("GET", KS, status(403, "no"))

    assert await in_thread("get", "-n", "team", "ks") == []


async def test_a_cluster_that_is_silent_does_not_hold_the_prompt(
    api: ScriptedApi, lockstep: Lockstep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.cli.completing._PATIENCE", 0.01)
    api.on("GET", KS, hang)

    assert await in_thread("get", "-n", "team", "ks") == []


async def in_thread(*words: str, incomplete: str = "") -> list[str]:
    return await to_thread.run_sync(lambda: offered(*words, incomplete=incomplete))
