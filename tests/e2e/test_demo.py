"""`lockstep demo` as a process: what it tells, how it ends, and that nothing is left."""

import io
import os
import pty
import re
import signal
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from urllib.request import urlopen

import orjson
import pytest

from engine.apiserver import serve
from engine.app import State
from engine.cluster import connected
from engine.cluster.connect import from_kubeconfig
from engine.demo import Demo, demo
from engine.demo.show import Lines, Show
from engine.demo.steps import Step, Told, start
from engine.demo.world import NotAsTold, World
from engine.objects.manifests import load
from engine.runtime import SystemClock
from engine.source.author import create_repository

TOLD = (
    r"^1\. A cluster comes up from Git$",
    r"git push +main is [0-9a-f]{8} \"Start the fleet\"$",
    r"apps +waits for infrastructure \(dependsOn\)$",
    r"done +21 objects of 4 Kustomizations are live, after ",
    r"^2\. A commit goes live$",
    r"live +Deployment/shop/web: .*\.image \S+/web:1\.4\.0 -> \S+/web:1\.5\.0$",
    r"^3\. A manual edit is corrected$",
    r"kubectl-edit +Deployment/shop/web: \.spec\.replicas 3 -> 1$",
    r"live +Deployment/shop/web: \.spec\.replicas 1 -> 3$",
    r"done +kustomize-controller owns \.spec\.replicas again, after ",
    r"^4\. A removed app is pruned$",
    r"apps +Deployment/shop/reports deleted$",
    r"^5\. A broken file is reported$",
    r"! apps +kustomize build failed: .*apps/base/api/deployment\.yaml:7: malformed YAML",
    r"monitoring +Deployment/monitoring/grafana configured$",
    r"^6\. The next commit repairs it$",
    r"live +Deployment/shop/api: \.spec\.replicas 1 -> 2$",
    r"^STEP +TIME +REQUESTS +READ +WRITE$",
    r"^A manual edit is corrected +\d+\.\d+ s +\d+ +\d+ +\d+$",
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a demo runs: a home and a folder of temporary files, both empty."""

    home: Path
    temporary: Path

    def left(self) -> list[str]:
        """What is in them."""
        return [str(each) for folder in (self.home, self.temporary) for each in folder.rglob("*")]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path / "home", tmp_path / "tmp")
    made.home.mkdir()
    made.temporary.mkdir()
    return made


@contextmanager
def running(
    place: Place, *options: str, stdout: int = subprocess.PIPE
) -> Iterator[subprocess.Popen[str]]:
    """The process, the leader of a session of its own."""
    variables = {"TMPDIR": str(place.temporary), "HOME": str(place.home), "TERM": "xterm"}
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "LOCKSTEP_"))}
    process = subprocess.Popen(
        [sys.executable, "-m", "engine", "demo", *options],
        env=environment | variables,
        cwd=place.home,
        stdout=stdout,
        stderr=subprocess.PIPE if stdout == subprocess.PIPE else stdout,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def read_until(process: subprocess.Popen[str], words: str) -> str:
    """The lines up to the one that holds `words`."""
    assert process.stdout is not None
    text = ""
    for line in process.stdout:
        text += line
        if words in line:
            return text
    raise AssertionError(f"{words!r} was not told:\n{text}")


def is_alone(process: subprocess.Popen[str]) -> bool:
    """Whether no process of its session is left."""
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_the_demo_tells_its_story_in_order_and_leaves_nothing(place: Place) -> None:
    with running(place) as process:
        told, complaints = process.communicate()

    assert (process.returncode, complaints) == (0, ""), told
    rest = told
    for pattern in TOLD:
        found = re.search(pattern, rest, re.MULTILINE)
        assert found, f"{pattern} is not told after what comes before it in TOLD:\n{told}"
        rest = rest[found.end() :]
    assert place.left() == []
    assert is_alone(process)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("moment", ["Seconds since the start", "3. A manual edit is corrected"])
def test_a_signal_in_the_middle_leaves_nothing(
    place: Place, moment: str, number: signal.Signals
) -> None:
    with running(place) as process:
        read_until(process, moment)
        assert place.left()
        process.send_signal(number)
        _, complaints = process.communicate()

    assert (process.returncode, complaints) == (128 + number, "")
    assert place.left() == []
    assert is_alone(process)


def test_a_reader_that_has_enough_leaves_nothing(place: Place) -> None:
    with running(place) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.stdout.close()
        process.wait()
        assert process.stderr is not None
        assert process.stderr.read() == ""
        process.stdout = None  # `communicate` would read it

    assert process.returncode == 1
    assert place.left() == []


def test_kept_it_can_be_reached_until_ctrl_c_removes_it(place: Place) -> None:
    with running(place, "--keep") as process:
        told = read_until(process, "The log of the engine: ")
        server = load(named(r"export KUBECONFIG=(.+)", told).read_bytes())["clusters"][0]["cluster"]
        web = orjson.loads(got(f"{server['server']}/apis/apps/v1/namespaces/shop/deployments/web"))
        url = re.search(r"The fleet is at (\S+) ", told)
        assert url is not None
        advertised = got(f"{url[1]}/info/refs?service=git-upload-pack")
        logged = named(r"The log of the engine: (.+)", told).read_text()
        process.send_signal(signal.SIGINT)
        process.communicate()

    assert web["spec"]["replicas"] == 3
    assert b"refs/heads/main" in advertised
    assert "BuildFailed" in logged
    assert process.returncode == 0
    assert place.left() == []
    assert is_alone(process)


def named(pattern: str, told: str) -> Path:
    """The file that the demo names."""
    found = re.search(pattern, told)
    assert found is not None, told
    return Path(found[1])


def got(url: str) -> bytes:
    with urlopen(url) as answer:
        content: bytes = answer.read()
    return content


def test_verbose_shows_the_log_of_the_engine_on_standard_error(place: Place) -> None:
    with running(place, "--verbose") as process:
        told, logged = process.communicate()

    assert process.returncode == 0
    assert "Kustomization/flux-system/apps: BuildFailed" in logged
    assert "BuildFailed" not in told


def test_a_small_terminal_shows_a_table_that_is_kept_up_to_date(place: Place) -> None:
    reader, writer = pty.openpty()
    termios.tcsetwinsize(writer, (15, 60))
    with running(place, stdout=writer) as process:
        os.close(writer)
        seen = b""
        try:
            while piece := os.read(reader, 65536):
                seen += piece
        except OSError:  # the other end is closed
            pass
        os.close(reader)
        process.wait()

    screen = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode())
    assert process.returncode == 0
    assert re.search(r"KUSTOMIZATION +READY +MESSAGE", screen)
    assert re.search(r"apps +waits +for infrastructure \(dependsOn\)", screen)
    assert re.search(r"apps +False +kustomize build failed: apps/", screen)
    assert screen.count("STEP  ") == 1
    assert place.left() == []


async def test_an_engine_that_does_nothing_is_not_as_told(tmp_path: Path) -> None:
    clock, out = SystemClock(), io.StringIO()
    async with (
        serve() as server,
        connected(from_kubeconfig(server.kubeconfig()), clock, Random(0)) as client,
    ):
        create_repository(tmp_path / "fleet.git")
        url = "http://127.0.0.1:1/fleet.git"
        world = World(client, State(), tmp_path / "fleet.git", url, clock, patience=0.1)
        await world.furnish()

        with pytest.raises(NotAsTold, match=r"waited 0\.1 s for apps, .* to be Ready at"):
            await start(world, Lines(clock, out))

    assert "flux bootstrap" in out.getvalue()


async def test_what_did_not_come_out_as_told_ends_it_with_the_log_and_status_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    async def fail(world: World, show: Show) -> Told:
        raise NotAsTold("the moon did not rise")

    status = await demo(Demo(steps=[Step("The start", start), Step("The moon rises", fail)]))

    told = capsys.readouterr().out
    assert status == 1
    assert "2. The moon rises" in told
    assert "Not as told: the moon did not rise\nThe engine logged last:\n" in told
    assert "info  Kustomization/flux-system/apps: Applied revision" in told
    assert "STEP" not in told
    assert Place(tmp_path, tmp_path).left() == []
