"""`lockstep secrets list`: encrypted files, who can decrypt them, and what does."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import orjson

from engine.cli import steps, table
from engine.custody.consumers import Consumer, consumers_of
from engine.custody.files import work_tree
from engine.custody.survey import Sealed, Survey, survey
from engine.source.folder import FolderTree


@dataclass(frozen=True, slots=True)
class Seen:
    """What a command looks at.

    whole: the repository.  shown: what of it was asked for.  consumers: of the repository.
    """

    whole: Survey
    shown: Survey
    consumers: tuple[Consumer, ...]


def seen(path: Path) -> Seen:
    """The repository that `path` is in, and what of it is at or below `path`."""
    root = work_tree(path)
    below = path.resolve().relative_to(root).as_posix()
    whole = survey(root)
    shown = whole.below("" if below == "." else below)
    consumers: tuple[Consumer, ...] = ()
    if whole.sealed:
        consumers = consumers_of(FolderTree(root), whole.documents)
    return Seen(whole, shown, consumers)


def listed(path: Path, *, by_recipient: bool, form: str | None) -> None:
    """Prints what was found."""
    found = seen(path)
    if form == "json":
        rows = [_plain(each, found.consumers) for each in found.shown.sealed]
        click.echo(orjson.dumps(_turned(rows) if by_recipient else rows, option=_INDENT))
        return
    if not found.shown.sealed:
        steps.warning(f"no file at or below '{path}' is encrypted with SOPS")
        return
    if by_recipient:
        table.write(["RECIPIENT", "KIND", "FILE"], _by_recipient(found.shown.sealed))
        return
    is_wide = form == "wide"
    names = ["FILE", "FORMAT", "RECIPIENTS", "NEEDED", "MODIFIED", "DECRYPTED-BY"]
    table.write(names, [_row(each, found.consumers, is_wide) for each in found.shown.sealed])


_INDENT = orjson.OPT_INDENT_2


def _row(sealed: Sealed, consumers: Sequence[Consumer], is_wide: bool) -> list[str]:
    metadata = sealed.metadata
    if metadata is None:
        return [sealed.file, sealed.format, "-", "-", "-", f"broken: {sealed.problem}"]
    counts = Counter(each.kind for each in sealed.recipients)
    kinds = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    names = " | ".join(",".join(each.name for each in group) for group in sealed.groups)
    return [
        sealed.file,
        sealed.format,
        names if is_wide else kinds,
        _needed(sealed),
        metadata.modified,
        _decrypted_by(sealed, consumers),
    ]


def _needed(sealed: Sealed) -> str:
    """How many keys it takes."""
    if sealed.metadata is None or len(sealed.groups) == 1:
        return "1 key"
    return f"{sealed.metadata.needed} of {len(sealed.groups)} groups"


def _decrypted_by(sealed: Sealed, consumers: Sequence[Consumer]) -> str:
    if sealed.has_opted_out:
        return "nobody (its annotation says so)"
    readers = [each for each in consumers if sealed.file in each.files]
    if not readers:
        return "-"
    return ", ".join(
        each.name if each.decrypts else f"{each.name} (no spec.decryption)" for each in readers
    )


def _by_recipient(files: Sequence[Sealed]) -> list[list[str]]:
    pairs = sorted((recipient, each.file) for each in files for recipient in each.recipients)
    return [[recipient.name, recipient.kind, file] for recipient, file in pairs]


def _plain(sealed: Sealed, consumers: Sequence[Consumer]) -> dict[str, Any]:
    metadata = sealed.metadata
    return {
        "file": sealed.file,
        "line": sealed.line,
        "format": str(sealed.format),
        "bytes": sealed.size,
        "modified": metadata.modified if metadata is not None else None,
        "groups": [
            [{"kind": each.kind, "recipient": each.name} for each in group]
            for group in sealed.groups
        ],
        "neededGroups": metadata.needed if metadata is not None else None,
        "readBy": [
            {
                "kustomization": each.name,
                "manifest": each.origin,
                "decrypts": each.decrypts,
                "secret": each.secret,
            }
            for each in consumers
            if sealed.file in each.files
        ],
        "problem": sealed.problem or None,
    }


def _turned(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same by recipient."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        keys = {(key["kind"], key["recipient"]) for group in row["groups"] for key in group}
        for key in keys:
            found.setdefault(key, []).append(row["file"])
    return [
        {"kind": kind, "recipient": name, "files": sorted(files)}
        for (kind, name), files in sorted(found.items())
    ]
