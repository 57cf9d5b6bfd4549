"""Build the programs of a real control plane from their Go modules, once for each state of them.

Each folder beside this file is a Go module whose go.mod and go.sum pin what is built.  The result
is kept in `${LOCKSTEP_CACHE:-${XDG_CACHE_HOME:-~/.cache}/lockstep}/tools/<module>-<hash>/`, where
the hash covers both files, programs of ours and the build flags, so a changed pin builds anew and
nothing is stale.
`KUBEBUILDER_ASSETS`, when set, is where kube-apiserver and etcd are taken from instead.

`python -m tests.controlplane.build` builds whatever is missing and prints where it is.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
FLAGS = ("-trimpath", "-buildvcs=false")
ASSETS = frozenset({"etcd", "kube-apiserver"})  # what KUBEBUILDER_ASSETS holds by convention


class BuildError(RuntimeError):
    """A program of the control plane is not there and could not be built."""


@dataclass(frozen=True, slots=True)
class Module:
    """A Go module beside this file and the programs built from it: {file name: package}.

    A package that begins with `./` is a folder of ours in the module.
    """

    name: str
    programs: Mapping[str, str]

    @property
    def folder(self) -> Path:
        return HERE / self.name

    @property
    def flags(self) -> tuple[str, ...]:
        """Options of `go build`; the Kubernetes programs are told the version they are."""
        words = ["-s", "-w"]
        found = re.search(r"k8s\.io/kubernetes (v(\d+)\.(\d+)\.\S+)", self._text("go.mod"))
        if found:
            names = ("gitVersion", "gitMajor", "gitMinor")
            for name, value in zip(names, found.groups(), strict=True):
                words += ["-X", f"k8s.io/component-base/version.{name}={value}"]
        return (*FLAGS, f"-ldflags={' '.join(words)}")

    @property
    def digest(self) -> str:
        own = sorted(file.relative_to(self.folder) for file in self.folder.glob("*/*.go"))
        texts = (self._text(str(file)) for file in ("go.mod", "go.sum", *own))
        parts = (*texts, *self.flags, *self.programs)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]

    def _text(self, file: str) -> str:
        return (self.folder / file).read_text()


KUBERNETES = Module(
    "kubernetes",
    {
        name: f"k8s.io/kubernetes/cmd/{name}"
        for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
    },
)
MODULES = (
    Module("etcd", {"etcd": "go.etcd.io/etcd/server/v3"}),
    Module("kwok", {"kwok": "sigs.k8s.io/kwok/cmd/kwok"}),
    Module(
        "kustomize",
        {"kustomize": "sigs.k8s.io/kustomize/kustomize/v5", "kustomize-builds": "./build"},
    ),
    Module(
        "sops",
        {
            "sops": "github.com/getsops/sops/v3/cmd/sops",
            "age": "filippo.io/age/cmd/age",
            "age-keygen": "filippo.io/age/cmd/age-keygen",
        },
    ),
    Module("helm", {"helm": "helm.sh/helm/v4/cmd/helm"}),
    KUBERNETES,  # last: it takes most minutes
)


def program(name: str) -> Path:
    """The file of one program, built first if it is missing.  Raises BuildError, or KeyError."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets and name in ASSETS:
        path = Path(assets, name)
        if not path.is_file():
            raise BuildError(f"KUBEBUILDER_ASSETS is {assets!r}, but {name!r} is not in it")
        return path
    for module in MODULES:
        if name in module.programs:
            return built(module) / name
    raise KeyError(name)


def built(module: Module) -> Path:
    """The folder with a module's programs; two processes that ask at once build it once.

    Raises BuildError if Go is missing or fails.
    """
    folder = tools_folder() / f"{module.name}-{module.digest}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.with_suffix(".lock")):
        if not folder.is_dir():  # another process may have built it while this one waited
            build(module, folder)
    return folder


def tools_folder() -> Path:
    """Where built programs are kept, whether or not it exists yet."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("LOCKSTEP_CACHE") or Path(cache, "lockstep")) / "tools"


def build(module: Module, folder: Path) -> None:
    """Build into a folder beside `folder` and rename it, so that `folder` is whole or absent."""
    go = shutil.which("go")
    if go is None:
        raise BuildError(
            f"Go is needed to build {', '.join(module.programs)} from {module.folder}: install it,"
            " or point KUBEBUILDER_ASSETS at built programs"
        )
    environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"}
    started = time.monotonic()
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{module.name}-") as scratch:
        target = Path(scratch, "bin")
        for name, package in module.programs.items():
            say(f"building {name} from {package} (minutes, if nothing is cached)")
            command = [go, "build", *module.flags, "-o", str(target / name), package]
            run = subprocess.run(
                command,
                cwd=module.folder,
                env=environment,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
            if run.returncode:
                tail = "\n".join(run.stderr.splitlines()[-30:])
                raise BuildError(f"{' '.join(command)} ended with {run.returncode}:\n{tail}")
        target.rename(folder)
    say(f"built {folder} in {time.monotonic() - started:.0f} s")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path`; the system gives it back if this process dies."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for the process that builds and holds {path}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def main() -> int:
    try:
        for module in MODULES:
            sys.stdout.write(f"{built(module)}\n")
    except BuildError as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
