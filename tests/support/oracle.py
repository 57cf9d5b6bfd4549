"""What kustomize 5.8.1 makes of a folder, and what the engine makes of it, in one form.

The Go library lives in one process (tests/controlplane/kustomize/build) that answers a request a
line, so that thousands of builds cost a few milliseconds each.
"""

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from engine.render.kustomize import KustomizeError, Lacking, Options, Reach, build
from engine.source.tree import MemoryTree
from tests.controlplane.build import program
from tests.support.kubectl import KUBECTL

DIED = "kustomize died"
CRASHES = ("panic: ", DIED)
"How the errors begin that say nothing about what is right."
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Case:
    """A repository and what is built of it; files: content by path; path: "" is the root.

    reorder: "none", "legacy", or "" for what the command line does without a flag.
    """

    files: Mapping[str, bytes]
    path: str = ""
    restricted: bool = True
    reorder: str = ""


@dataclass(frozen=True)
class Outcome:
    """The objects in the order of the output, or why there are none.

    crashed: by a mistake of the builder, not of the repository.
    """

    objects: tuple[Any, ...] | None
    error: str = ""
    crashed: bool = False

    def agrees(self, other: "Outcome") -> bool:
        """Whether both failed or both have the same objects; a crash agrees with nothing."""
        if self.crashed or other.crashed:
            return False
        if same(self.objects, other.objects):
            return True
        own, theirs = _without_odd_hashes(self.objects), _without_odd_hashes(other.objects)
        return own is not None and same(own, theirs)

    def __str__(self) -> str:
        if self.objects is None:
            return self.error
        return "\n".join(json.dumps(obj, sort_keys=True) for obj in self.objects)


def same(one: Any, other: Any) -> bool:
    """Equality of JSON values: `1` is `1.0` but neither `True` nor "1"."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other)


def _without_odd_hashes(objects: tuple[Any, ...] | None) -> Any:
    """The objects without hashes in names; None if no object has one that need not agree.

    kustomize makes the hash of a generated object to which a patch gave another kind from its
    reader's notes (columns, styles), which are nobody else's.
    """
    if not any(_is_odd(obj) for obj in objects or ()):
        return None
    return json.loads(_HASHED.sub("-HASH", json.dumps(objects)))


_HASHED = re.compile("-[24-9bcdfghkmt]{10}(?![0-9a-z])")


def _is_odd(obj: Any) -> bool:
    metadata = obj.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    is_generated = isinstance(name, str) and _HASHED.search(name) is not None
    return is_generated and obj.get("kind") not in ("ConfigMap", "Secret")


def ours(case: Case, mount: str = "/case") -> Outcome:
    """What the engine says; mount: the folder that absolute paths of the case begin with."""
    reach = Reach(root_only=case.restricted, mount=mount)
    options = Options(reach, case.reorder or "unspecified")
    try:
        built = build(MemoryTree(case.files), case.path, options)
    except Lacking as lacking:
        return Outcome(None, f"lacks {lacking}")  # the peers have no network
    except KustomizeError as error:
        return Outcome(None, str(error))
    except Exception as error:
        return Outcome(None, f"{type(error).__name__}: {error}", crashed=True)
    return Outcome(tuple(_unversioned(resource.obj) for resource in built.resources))


def _unversioned(obj: Any) -> Any:
    """The object without the version in its managed-by label."""
    metadata = obj.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    key = "app.kubernetes.io/managed-by"
    if isinstance(labels, dict) and str(labels.get(key)).startswith("kustomize-"):
        return {**obj, "metadata": {**metadata, "labels": {**labels, key: "kustomize-"}}}
    return obj


class Oracle:
    """The Go library in a process of its own; use it in a `with`."""

    def __init__(self) -> None:
        """Raises BuildError if the program is not there and cannot be built."""
        self._program = program("kustomize-builds")
        self._folder = Path(tempfile.mkdtemp(prefix="lockstep-oracle-"))
        # A file, as nobody would empty a pipe of the library's many warnings.
        self._told = (self._folder / "stderr").open("w+")
        self._process = self._start()

    def _start(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [self._program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._told,
            text=True,
            bufsize=1,
        )

    def __enter__(self) -> "Oracle":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()
        self._told.close()
        shutil.rmtree(self._folder)

    @property
    def folder(self) -> Path:
        """Where each case is written to, in turn."""
        return self._folder / "case"

    def ask(self, **request: Any) -> dict[str, Any]:
        """The answer to one request, as main.go describes both.

        Some builds end the whole process, such as those that recurse for ever: that is an error.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        line = self._process.stdout.readline()
        if not line:
            self._process.communicate()
            self._process = self._start()
            return {"error": f"{DIED} of it"}
        answer: dict[str, Any] = json.loads(line)
        return answer

    def build(self, case: Case) -> Outcome:
        """What the library says."""
        with written(case, self.folder) as target:
            answer = self.ask(
                folder=str(target),
                unrestricted=not case.restricted,
                reorder=case.reorder,
                fresh=any(b"openapi" in text for text in case.files.values()),
            )
        if error := answer.get("error"):
            return Outcome(None, error, error.startswith(CRASHES))
        return Outcome(tuple(map(_unversioned, answer.get("objects", ()))))


@contextmanager
def written(case: Case, folder: Path) -> Iterator[Path]:
    """The case in `folder`, as long as it is needed; gives the path to build."""
    folder.mkdir()
    try:
        for name, content in case.files.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        yield folder / case.path
    finally:
        shutil.rmtree(folder)


def kubectl(case: Case, folder: Path) -> Outcome:
    """What `kubectl kustomize` prints; it knows no other order than that without a flag."""
    restrictor = "LoadRestrictionsRootOnly" if case.restricted else "LoadRestrictionsNone"
    with written(replace(case, reorder=""), folder) as target:
        ended = subprocess.run(
            [KUBECTL, "kustomize", f"--load-restrictor={restrictor}", target],
            capture_output=True,
            text=True,
            check=False,
        )
    if ended.returncode:
        return Outcome(None, ended.stderr)
    documents = (doc for doc in yaml.load_all(ended.stdout, LOADER) if doc is not None)
    return Outcome(tuple(map(_unversioned, documents)))
