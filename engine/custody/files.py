"""The files of a local folder that Git would keep, each read once.

Links are not followed, and what `.gitignore` names is left out: it is not in Git.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from engine.source.ignore import Pattern, Rules, read_patterns

MAX_BYTES: Final = 64 * 1024 * 1024
"""Larger files are not looked into: nothing that a build reads comes near."""


def work_tree(path: Path) -> Path:
    """The nearest folder at or above `path` that Git manages; without one, the path's own."""
    inner = path.resolve()
    inner = inner if inner.is_dir() else inner.parent
    return next((each for each in (inner, *inner.parents) if (each / ".git").exists()), inner)


def files_of(root: Path) -> Iterator[tuple[str, Path]]:
    """(path from the root with `/`, place) of each file, sorted by folder."""
    excluded = root / ".git" / "info" / "exclude"
    yield from _below(root, (), _patterns(excluded, ()))


def _below(
    folder: Path, scope: tuple[str, ...], outer: list[Pattern]
) -> Iterator[tuple[str, Path]]:
    patterns = outer + _patterns(folder / ".gitignore", scope)
    ignored = Rules(patterns)
    with os.scandir(folder) as found:
        items = sorted(found, key=lambda item: item.name)
    for item in items:
        parts = (*scope, item.name)
        is_folder = item.is_dir(follow_symlinks=False)
        if item.name == ".git" or (patterns and ignored.ignores(parts, is_folder)):
            continue
        if is_folder:
            yield from _below(Path(item.path), parts, patterns)
        elif item.is_file(follow_symlinks=False):
            yield "/".join(parts), Path(item.path)


def _patterns(file: Path, scope: tuple[str, ...]) -> list[Pattern]:
    try:
        return read_patterns(file.read_text("utf-8", "replace"), scope)
    except OSError:
        return []


def content_of(place: Path) -> bytes:
    """The file's content, nothing of one that is too large.

    Raises OSError, also if a link stands there by now.
    """
    with os.fdopen(os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
        return b"" if os.fstat(file.fileno()).st_size > MAX_BYTES else file.read()
