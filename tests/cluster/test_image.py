"""The container image: its root file system, read-only, as uid 65532."""

import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import pytest

from tests.image.build import built, why_not
from tests.support.fleet import Fleet, config_map, is_ready

UID = 65532
pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")


@pytest.fixture(scope="module")
def image() -> Path:
    return built()


@contextmanager
def kubeconfig_for_all(fleet: Fleet) -> Iterator[Path]:
    """A copy that uid 65532 may read, in a folder that it may enter."""
    copy = fleet.folder / "kubeconfig-of-image.yaml"
    copy.write_text(fleet.server.kubeconfig.read_text())
    copy.chmod(0o644)
    yield copy
    copy.unlink()


def command(image: Path, data: Path, kubeconfig: Path, *arguments: str) -> list[str]:
    """Lockstep in the image: everything but /data and /tmp is read-only."""
    boxed = ["bwrap", "--ro-bind", str(image), "/", "--proc", "/proc", "--dev", "/dev"]
    boxed += ["--tmpfs", "/tmp", "--bind", str(data), "/data", "--die-with-parent"]
    boxed += ["--ro-bind", str(kubeconfig), "/mnt", "--clearenv"]
    environment = {
        "PATH": "/opt/lockstep/bin:/usr/bin:/bin",
        "HOME": "/tmp",
        "LOCKSTEP_STORAGE_PATH": "/data",
        "KUBECONFIG": "/mnt",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    for name, value in environment.items():
        boxed += ["--setenv", name, value]
    lower = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--no-new-privs"]
    return [*boxed, *lower, "--bounding-set=-all", "lockstep", *arguments]


@asynccontextmanager
async def running(image: Path, fleet: Fleet, kubeconfig: Path) -> AsyncIterator[anyio.abc.Process]:
    data = fleet.folder / "data"
    data.mkdir()
    os.chown(data, UID, UID)
    settings = [f"--runtime-namespace={fleet.namespace}", "--watch-all-namespaces=false"]
    settings += [f"--{name}-addr=127.0.0.1:0" for name in ("metrics", "health", "receiver")]
    settings += ["--storage-addr=127.0.0.1:0", "--events-listen-addr=127.0.0.1:0"]
    log = (fleet.folder / "image.log").open("wb")
    process = await anyio.open_process(
        command(image, data, kubeconfig, "run", *settings), stdout=log, stderr=log
    )
    try:
        yield process
    finally:
        log.close()
        if process.returncode is None:
            process.kill()
        await process.aclose()


@pytest.mark.limit(900)  # the image may have to be built first
async def test_the_image_reconciles_with_a_read_only_root_and_without_root(
    image: Path, fleet: Fleet
) -> None:
    await fleet.app({"app/web.yaml": config_map("web", color="blue")})

    with kubeconfig_for_all(fleet) as kubeconfig:
        async with running(image, fleet, kubeconfig) as process:
            await fleet.until("Kustomization", "app", is_ready)
            process.send_signal(signal.SIGTERM)
            with anyio.fail_after(60):
                status = await process.wait()

    assert await fleet.data("web") == {"color": "blue"}
    assert status in (0, -signal.SIGTERM), (fleet.folder / "image.log").read_text()
    written = [path for path in (fleet.folder / "data").rglob("*") if path.is_file()]
    assert {path.stat().st_uid for path in written} == {UID}


def test_nothing_of_the_image_can_be_written_and_no_pip_is_in_it(
    image: Path, tmp_path: Path
) -> None:
    tried = subprocess.run(
        [*command(image, tmp_path, Path("/dev/null"))[:-1], "touch", "/opt/x", "/etc/x"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert tried.returncode != 0
    assert tried.stderr.count("Read-only file system") + tried.stderr.count("ermission") == 2
    assert not list((image / "opt" / "lockstep" / "bin").glob("pip*"))
