"""`lockstep run` as a process: what it tells, and how it ends."""

import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from anyio import to_thread

from tests.support.scripted_api import ScriptedApi, scripted_api

FREE = ["--storage-addr", "--metrics-addr", "--health-addr", "--events-listen-addr"]


@pytest.fixture
async def api() -> AsyncIterator[ScriptedApi]:
    """An API server that knows nothing."""
    async with scripted_api() as server:
        yield server


@contextmanager
def engine(url: str, folder: Path, *flags: str) -> Iterator[subprocess.Popen[str]]:
    """`lockstep run` as a process, on free ports."""
    path = folder / "kubeconfig.yaml"
    config = {
        "clusters": [{"name": "it", "cluster": {"server": url}}],
        "contexts": [{"name": "it", "context": {"cluster": "it"}}],
        "current-context": "it",
    }
    path.write_text(json.dumps(config))
    ports = [argument for flag in FREE for argument in (flag, "127.0.0.1:0")]
    command = [sys.executable, "-m", "engine", "run", "--kubeconfig", str(path)]
    storage = ["--storage-path", str(folder / "data")]
    process = subprocess.Popen(
        [*command, *ports, *storage, *flags], stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


def read_until(process: subprocess.Popen[str], text: str) -> list[dict[str, str]]:
    """The lines of the log up to the first that holds `text`."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(json.loads(line))
        if text in lines[-1]["msg"]:
            return lines
    raise AssertionError(f"the log ended without {text!r}: {lines}")


async def test_sigterm_ends_it_with_status_0_after_telling_its_addresses(
    api: ScriptedApi, tmp_path: Path
) -> None:
    with engine(api.url, tmp_path) as process:
        lines = await to_thread.run_sync(read_until, process, "serving metrics")
        process.send_signal(signal.SIGTERM)
        status = await to_thread.run_sync(process.wait, 50)

    messages = [line["msg"] for line in lines]
    assert status == 0
    assert messages[0].endswith(f"reconciling in {api.url}")
    assert messages[1].startswith("serving health on 127.0.0.1:")


async def test_a_port_that_is_taken_is_one_line_and_status_1(
    api: ScriptedApi, tmp_path: Path
) -> None:
    taken = api.url.removeprefix("http://")
    with engine(api.url, tmp_path, f"--health-addr={taken}") as process:
        _, error = await to_thread.run_sync(process.communicate)

    assert process.returncode == 1
    assert error.splitlines()[-1].startswith(f"Error: cannot listen on {taken}")


async def test_a_misspelt_variable_is_told_before_anything_is_done(
    api: ScriptedApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCKSTEP_STORAGEPATH", "/elsewhere")
    with engine(api.url, tmp_path) as process:
        first, *_ = await to_thread.run_sync(read_until, process, "serving metrics")

    assert first["msg"] == (
        "LOCKSTEP_STORAGEPATH is no setting of this version and has no effect: "
        "LOCKSTEP_STORAGE_PATH is meant"
    )


@pytest.mark.parametrize(
    "flag", ["--default-decryption-service-account", "--default-kubeconfig-service-account"]
)
def test_a_default_service_account_needs_the_gate(flag: str, tmp_path: Path) -> None:
    with engine("http://127.0.0.1:1", tmp_path, flag, "app") as process:
        assert process.wait() == 1
        assert process.stderr is not None
        said = process.stderr.read()

    assert "ObjectLevelWorkloadIdentity is not enabled" in said
    assert f"leave out {flag}" in said
