from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

import orjson
import pytest

from tests.support.scripted_api import ScriptedApi, json

Lockstep: TypeAlias = Callable[..., Awaitable[Any]]


async def test_it_shows_three_versions(api: ScriptedApi, lockstep: Lockstep) -> None:
    api.on("GET", "/version", json({"gitVersion": "v1.36.3"}))
    lines = (await lockstep("version")).out.splitlines()

    assert lines[0] == f"lockstep: v{version('lockstep')}"
    assert lines[1].startswith("python: 3.")
    assert lines[2] == "kubernetes: v1.36.3"


async def test_a_cluster_that_refuses_is_no_error(lockstep: Lockstep) -> None:
    ended = await lockstep("version")

    assert ended.status == 0
    assert "kubernetes: unknown (" in ended.out


def test_without_a_kubeconfig_it_is_no_error(
    call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    ended = call("version")

    assert ended.status == 0
    assert "no such file" in ended.out


def test_no_cluster_is_asked_if_only_the_client_matters(call: Callable[..., Any]) -> None:
    shown = orjson.loads(call("version", "--client", "-o", "json").out)

    assert list(shown) == ["lockstep", "python"]
