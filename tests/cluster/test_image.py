"""The container image, run as kubelet runs it: read-only, as uid 65532, without capabilities."""

import os
import signal
import stat
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.image.box import Box
from tests.image.build import Image, image
from tests.image.commands import UnavailableError
from tests.image.pod import Pod, pod
from tests.image.wheels import dependencies
from tests.support.fleet import Fleet, config_map, is_ready

UID = 65532
COMPILERS = {"cc", "gcc", "g++", "c++", "clang", "ld", "as", "make", "go", "rustc"}
pytestmark = pytest.mark.limit(120)


@pytest.fixture(scope="module")
def built() -> Iterator[Image]:
    try:
        with image() as (made, _):
            yield made
    except UnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture
def box(built: Image, tmp_path: Path) -> Box:
    data = tmp_path / "data"
    data.mkdir()
    os.chown(data, UID, UID)
    return Box(built, data)


@pytest.mark.real("the engine's service account needs roles and tokens that are checked")
async def test_the_engine_reconciles_without_root_and_without_a_root_to_write_to(
    box: Box, fleet: Fleet
) -> None:
    await fleet.app({"app/web.yaml": config_map("web", color="blue")})

    async with pod(box, fleet) as engine:
        await fleet.until("Kustomization", "app", is_ready)
        rights, health = rights_of(engine.pid), health_of(engine)
        os.kill(engine.pid, signal.SIGTERM)
        status = await engine.process.wait()

    assert await fleet.data("web") == {"color": "blue"}
    assert rights == {
        "Uid": " ".join([str(UID)] * 4),
        "Gid": " ".join([str(UID)] * 4),
        "Groups": "",
        "NoNewPrivs": "1",
        **dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), "0" * 16),
    }
    assert health == (0, "")
    assert status == 0, engine.log.read_text()
    assert "Errno" not in engine.log.read_text()
    assert await holders(fleet) == ["", "", ""]
    assert {path.lstat().st_uid for path in box.data.rglob("*")} == {UID}


def rights_of(pid: int) -> dict[str, str]:
    """What the kernel says of a process's user and capabilities."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    words = {name: " ".join(text.split()) for name, _, text in (x.partition(":") for x in lines)}
    return {
        name: text
        for name, text in words.items()
        if name in ("Uid", "Gid", "Groups", "NoNewPrivs") or name.startswith("Cap")
    }


def health_of(engine: Pod) -> tuple[int, str]:
    """The image's health check beside the engine."""
    environment = {**engine.box.environment, "LOCKSTEP_HEALTH_ADDR": engine.address("health")}
    beside = replace(engine.box, environment=environment)
    return beside.said(beside.health_check())


async def holders(fleet: Fleet) -> list[str]:
    """Who holds the Leases; "" where nobody does."""
    names = ("kustomize-controller", "source-controller", "notification-controller")
    found = [await fleet.get("Lease", f"{name}-leader-election") for name in names]
    return [lease["spec"].get("holderIdentity") or "" for lease in found if lease is not None]


def test_the_health_check_fails_where_no_engine_listens(box: Box) -> None:
    alone = replace(box, environment={"LOCKSTEP_HEALTH_ADDR": "127.0.0.1:1"})  # tcpmux: nobody's

    status, said = alone.said(alone.health_check())

    assert status != 0
    assert "ConnectionRefusedError" in said


def test_the_quick_start_runs_in_it(box: Box) -> None:
    status, said = box.said(box.lockstep("demo"))

    assert status == 0, said
    assert "everything is Ready again" in said


def test_it_tells_the_version_of_its_label_and_python_3_13(box: Box) -> None:
    status, said = box.said(box.lockstep("version", "--client"))

    assert status == 0, said
    lockstep, python = said.split("\n")[:2]
    assert lockstep == f"lockstep: v{version('lockstep')}"
    assert python.startswith("python: 3.13.")
    labels = box.image.config["Labels"]
    assert labels["org.opencontainers.image.version"] == version("lockstep")


def test_its_user_can_write_to_data_and_tmp_and_nothing_else(box: Box) -> None:
    found = (
        "find",
        "/",
        "-path",
        "/proc",
        "-prune",
        "-o",
        "-writable",
        "!",
        "-type",
        "l",
        "-print",
    )

    _, said = box.said(box.command(*found))

    writable = {line for line in said.splitlines() if not line.startswith(("/dev/", "find:"))}
    assert writable == {"/data", "/tmp"}


def test_nothing_in_it_gives_other_rights_and_what_we_put_in_belongs_to_root(built: Image) -> None:
    files = {path: path.lstat() for path in built.root.rglob("*")}
    regular = {path: found for path, found in files.items() if stat.S_ISREG(found.st_mode)}
    owners = {
        (found.st_uid, found.st_gid)
        for path, found in files.items()
        if path.is_relative_to(built.root / "opt")
    }

    assert [path for path, found in regular.items() if found.st_mode & 0o6002] == []
    assert owners == {(0, 0)}


def test_it_holds_what_the_lock_names_and_neither_pip_nor_a_compiler(built: Image) -> None:
    root = built.root
    installed = {path.name for path in root.glob("opt/lockstep/lib/*/site-packages/*.dist-info")}
    names = {name_of(each.name) for each in dependencies().glob("*.whl")}
    programs = {path.name for path in root.glob("**/bin/*")}
    rests = [root / name for name in ("wheels", "own", "opt/pip", "root/.cache", "tmp/*", "data/*")]

    assert {name_of(each) for each in installed} == names | {"lockstep"}
    assert programs & COMPILERS == set()
    assert [name for name in programs if name.startswith("pip")] == []
    assert [found for rest in rests for found in root.glob(str(rest.relative_to(root)))] == []


def name_of(file: str) -> str:
    """Of a distribution, in one spelling, by the name of its wheel or metadata."""
    return file.split("-")[0].lower().replace(".", "_")


def test_its_bytecode_counts_whatever_the_times_of_files(built: Image) -> None:
    packages = built.root.glob("opt/lockstep/lib/*/site-packages/*/**/*.py")

    assert [source for source in packages if not is_compiled(source)] == []


def is_compiled(source: Path) -> bool:
    """Whether a module has bytecode that is used without a look at the module."""
    bytecode = source.with_name("__pycache__") / f"{source.stem}.cpython-313.pyc"
    flags = int.from_bytes(bytecode.read_bytes()[4:8], "little") if bytecode.exists() else 0
    return flags == 0b01  # PEP 552: by hash, which is not checked
