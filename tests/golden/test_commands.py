"""What each command prints, against what is recorded: status, output, and what it says aside.

`commands/world.yaml` is what stands in the cluster, `commands/repository` the folder that commands
run in; each other file is what a group of command lines gives.  `GOLDEN=rewrite pytest
tests/golden` records anew: read the diff.  With FLUX_BIN tests/e2e/test_flux_output.py asks the
flux CLI the same of the same cluster.
"""

import os
import re
import shlex
from collections.abc import Awaitable, Callable
from pathlib import Path
from shutil import copytree
from typing import TypeAlias

import pytest
from anyio import to_thread

from engine.cli.main import COMMANDS
from tests.support.apiserver import ApiServer
from tests.support.commands import AGE, FOLDER, furnish
from tests.unit.cli.conftest import Ended, run_here

GROUPS = sorted(path.stem for path in FOLDER.glob("*.txt"))
COMMAND = "$ lockstep "

Lockstep: TypeAlias = Callable[..., Awaitable[Ended]]

_OURS = re.compile(r"(python\W+|lockstep\W+v)[\d.]+\w*")
_REQUESTS = re.compile(r"\d+ requests")
_SINCE = re.compile(r"Last reconcil\w+( failed)? at \S+ \S+ \S+ \S+")


@pytest.fixture
async def world(embedded_api_server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> ApiServer:
    """An API server on which the world stands; commands find it by KUBECONFIG."""
    await furnish(embedded_api_server)
    monkeypatch.setenv("KUBECONFIG", str(embedded_api_server.kubeconfig))
    return embedded_api_server


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout, in which commands run."""
    folder = copytree(FOLDER / "repository", tmp_path / "repository")
    (folder / ".git").mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def lockstep() -> Lockstep:
    async def run(*arguments: str) -> Ended:
        return await to_thread.run_sync(run_here, *arguments)

    return run


def lines_of(group: str) -> list[str]:
    """The command lines of a group."""
    text = (FOLDER / f"{group}.txt").read_text()
    return [each.removeprefix(COMMAND) for each in text.splitlines() if each.startswith(COMMAND)]


def told(line: str, ended: Ended) -> str:
    """How a command ended; what differs from run to run is blurred."""
    aside = "".join(f"! {each}\n" for each in ended.err.splitlines())
    text = f"{aside}{ended.out}[{ended.status}]\n"
    if line.startswith("events") or "wide" in line:
        text = AGE.sub("AGE", text)
    if line.startswith("version"):
        text = _OURS.sub(r"\1VERSION", text)
    if line.startswith("doctor"):
        text = _REQUESTS.sub("N requests", text)
    return f"{COMMAND}{line}\n" + _SINCE.sub(r"Last reconciled\1 at INSTANT", text)


@pytest.mark.limit(60)  # builds start processes
@pytest.mark.parametrize("group", GROUPS)
async def test_commands_print_what_is_recorded(
    world: ApiServer, repository: Path, lockstep: Lockstep, group: str
) -> None:
    shown = [told(line, await lockstep(*shlex.split(line))) for line in lines_of(group)]
    text = "\n".join(shown)
    path = FOLDER / f"{group}.txt"
    if os.environ.get("GOLDEN") == "rewrite":
        path.write_text(text)

    assert text == path.read_text()


def test_each_command_is_recorded() -> None:
    recorded = {line.split()[0] for group in GROUPS for line in lines_of(group)}
    elsewhere = {"run", "demo"}  # they start engines, and have tests of their own

    assert set(COMMANDS) - elsewhere <= recorded
