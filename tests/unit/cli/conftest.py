"""The command line as a function, and an API server that says what a test wants."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import click
import pytest
from anyio import to_thread
from click.testing import CliRunner

from engine.cli.main import status_of
from tests.support.scripted_api import ScriptedApi, scripted_api


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it wrote."""

    status: int
    out: str
    err: str


Lockstep: TypeAlias = Callable[..., Awaitable[Ended]]


def run_here(*arguments: str) -> Ended:
    @click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
    @click.argument("words", nargs=-1, type=click.UNPROCESSED)
    @click.pass_context
    def whole(ctx: click.Context, words: tuple[str, ...]) -> None:
        ctx.exit(status_of(words))

    result = CliRunner().invoke(whole, ["--", *arguments], catch_exceptions=False)
    return Ended(result.exit_code, result.stdout, result.stderr)


@pytest.fixture
def call() -> Callable[..., Ended]:
    """`call("get", "ks")` runs a command that needs no cluster."""
    return run_here


@pytest.fixture
async def api() -> AsyncIterator[ScriptedApi]:
    """An API server that knows nothing yet."""
    async with scripted_api() as server:
        yield server


@pytest.fixture
def lockstep(api: ScriptedApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lockstep:
    """`await lockstep("get", "ks")` runs a command against `api`."""
    path = tmp_path / "kubeconfig.yaml"
    config = {
        "clusters": [{"name": "it", "cluster": {"server": api.url}}],
        "contexts": [{"name": "it", "context": {"cluster": "it"}}],
        "current-context": "it",
    }
    path.write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(path))

    async def run(*arguments: str) -> Ended:
        return await to_thread.run_sync(run_here, *arguments)

    return run
