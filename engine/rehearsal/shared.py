"""Values of one cluster in files that several clusters build: an overlay is missing."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from engine.custody.flaws import Flaw, Severity
from engine.objects.manifests import Document, ManifestError, parse
from engine.rehearsal.rehearsal import Rehearsal
from engine.source.tree import Tree

_SHORTEST: Final = 3
"""Characters of a cluster's name that are looked for: shorter ones are parts of other words."""
_SHOWN: Final = 60  # characters of a value in a message
_MANIFESTS: Final = (".yaml", ".yml", ".json")
_IDENTITY: Final = ("apiVersion", "kind", "$schema")


def cluster_values(rehearsal: Rehearsal, tree: Tree) -> Iterator[Flaw]:
    """A flaw for each value of a shared file that names one of the clusters that build it."""
    builders: dict[str, set[str]] = {}
    for part in rehearsal.parts:
        if part.rendered is None or part.asked is None or part.asked[0] is not tree:
            continue
        for file in part.rendered.inputs.files:
            builders.setdefault(file, set()).add(part.cluster)
    for file, clusters in sorted(builders.items()):
        names = {name for each in clusters if len(name := each.rpartition("/")[2]) >= _SHORTEST}
        if len(clusters) > 1 and names and file.endswith(_MANIFESTS):
            yield from _in_file(file, names, len(clusters), tree)


def _in_file(file: str, names: set[str], count: int, tree: Tree) -> Iterator[Flaw]:
    words = re.compile(rf"(?<![a-z0-9])({'|'.join(map(re.escape, sorted(names)))})(?![a-z0-9])")
    try:
        documents = parse(tree.read(file), file)
    except (ManifestError, KeyError, RecursionError):
        return
    for document in documents:
        for path, value in _texts((), document.obj):
            found = words.search(value.lower())
            if found and not _is_secret(document, path):
                what = (
                    f"{_dotted(path)} is '{value[:_SHOWN]}', and {count} clusters build this file"
                )
                fix = f"patch it in the overlay of '{found[1]}', or make it a variable of postBuild"
                line = document.line_of(path)
                yield Flaw(Severity.WARNING, "cluster-value", file, line, what, fix)


def _texts(path: tuple[Any, ...], value: Any) -> Iterator[tuple[tuple[Any, ...], str]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if path or key not in _IDENTITY:
                yield from _texts((*path, key), item)
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _texts((*path, place), item)
    elif isinstance(value, str):
        yield path, value


def _is_secret(document: Document, path: tuple[Any, ...]) -> bool:
    kind = document.obj.get("kind") if isinstance(document.obj, Mapping) else None
    return kind == "Secret" and path[:1] in (("data",), ("stringData",))


def _dotted(path: tuple[Any, ...]) -> str:
    parts = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(parts)
