"""The open corpus of kustomizations, built by ours and by the Go library: milliseconds a case."""

import json
import posixpath
import subprocess
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

from benchmarks.overlays import Overlays
from engine.objects.manifests import dump
from engine.render.cache import ParsedFiles
from engine.render.kustomize import KustomizeError, Lacking, Options, Reach, build
from engine.render.kustomize.model.reading import Parse, read
from engine.runtime import SystemClock
from engine.source.tree import MemoryTree
from tests.controlplane.build import program

CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "open" / "kustomize"
_ROUNDS = 5  # of each case; the quickest counts, as all else is what others did meanwhile
_OVERLAYS = 100
_CACHE = 256 * 2**20  # bytes: all of the corpus


@dataclass(frozen=True, slots=True)
class Case:
    """A folder to build.  files: content by path, `@ROOT@` in it stands for where they are."""

    files: Mapping[str, bytes]
    path: str
    reorder: str = "none"
    root_only: bool = True
    folders: frozenset[str] = frozenset()


def cases(corpus: Path = CORPUS) -> list[Case]:
    """Those of the corpus that a build alone can do; overlays where there is no corpus."""
    recorded = (json.loads(path.read_text()) for path in sorted(corpus.glob("*.json")))
    return [_case(each) for each in recorded if not each.get("needs")] or overlays()


def _case(recorded: Mapping[str, Any]) -> Case:
    binary = {path: b64decode(text) for path, text in recorded.get("files_base64", {}).items()}
    options, path = recorded["options"], posixpath.normpath(recorded["build_path"])
    return Case(
        {path: text.encode() for path, text in recorded["files"].items()} | binary,
        "" if path == "." else path,
        options["reorder"],
        options["loadRestrictor"] == "rootOnly",
        frozenset(recorded.get("empty_dirs", [])),
    )


def overlays() -> list[Case]:
    """Some of a fleet, each with its base."""
    workload = Overlays(_OVERLAYS)
    files = workload.files()
    found = []
    for number, name in enumerate(workload.names):
        wanted = (workload.folder(name), workload.base(number))
        own = {path: text for path, text in files.items() if path.startswith(wanted)}
        found.append(Case(own, workload.folder(name)))
    return found


def compared(folder: Path, chosen: Sequence[Case], what: str) -> dict[str, float]:
    """The figures; folder: an empty one, for the Go library reads from the disk.

    what: each of the cases is called in the figures.
    """
    written = [_written(case, folder / str(number)) for number, case in enumerate(chosen)]
    go = _best(_go(folder, written), len(written))
    ours = _best(_ours(folder, written, read), len(written))
    kept = _best(_ours(folder, written, ParsedFiles(_CACHE)), len(written))
    return {
        f"{what}s": len(written),
        **_figures(f"ms a {what}, Go", go),
        **_figures(f"ms a {what}, ours", ours),
        **_figures(f"ms a {what}, ours with parsed files kept", kept),
        f"ours / Go, {what}s": fmean(ours) / fmean(go),
        f"ours / Go, median of {what}s": median(a / b for a, b in zip(ours, go, strict=True)),
        f"ours with parsed files kept / Go, {what}s": fmean(kept) / fmean(go),
    }


def _figures(title: str, times: Sequence[float]) -> dict[str, float]:
    slowest = sorted(times)[int(len(times) * 0.9)]
    return {title: fmean(times), f"{title}, median": median(times), f"{title}, p90": slowest}


def _best(times: Iterable[float], count: int) -> list[float]:
    """The shortest of each, of rounds one after the other; the first is for warming up."""
    rounds = list(times)
    return [min(rounds[number + count :: count]) for number in range(count)]


def _written(case: Case, folder: Path) -> Case:
    """The case as it stands in a folder."""
    files = {
        path: text.replace(b"@ROOT@", str(folder).encode()) for path, text in case.files.items()
    }
    for path in case.folders:
        (folder / path).mkdir(parents=True, exist_ok=True)
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return Case(files, case.path, case.reorder, case.root_only, case.folders)


def _go(folder: Path, chosen: Sequence[Case]) -> Iterator[float]:
    """Milliseconds of the Go library, round after round."""
    requests = "".join(
        json.dumps(
            {
                "folder": str(folder / str(number) / case.path),
                "unrestricted": not case.root_only,
                "reorder": "" if case.reorder == "unspecified" else case.reorder,
                "timesOnly": True,
            }
        )
        + "\n"
        for number, case in enumerate(chosen)
    )
    answers = subprocess.run(
        [program("kustomize-builds")],
        input=requests * _ROUNDS,
        capture_output=True,  # it warns of deprecated fields
        text=True,
        check=True,
    )
    for line in answers.stdout.splitlines():
        yield json.loads(line)["milliseconds"]


def _ours(folder: Path, chosen: Sequence[Case], parse: Parse) -> Iterator[float]:
    """Milliseconds of ours, round after round; as the Go program's, its text included."""
    builds = [_ready(case, str(folder / str(number)), parse) for number, case in enumerate(chosen)]
    now = SystemClock().monotonic
    for _ in range(_ROUNDS):
        for work in builds:
            began = now()
            work()
            yield (now() - began) * 1000


def _ready(case: Case, mount: str, parse: Parse) -> Callable[[], None]:
    tree = MemoryTree(case.files, case.folders)
    options = Options(Reach(case.root_only, mount, parse=parse), case.reorder)

    def work() -> None:
        try:
            for resource in build(tree, case.path, options).resources:
                dump(resource.obj)
        except (KustomizeError, Lacking):
            pass  # many cases are about what must fail; Go's time is that of its failure, too

    return work
