"""Broken repositories against the messages that people get.

A file of `broken/` holds many: `== title ==` begins a case, `-- path --` one of its files, `-- spec
--` the Kustomization's spec, `-- error --` the message.  The first case's files are in all of them.
A path marked `(escaped)` has Python's escapes for bytes.
`GOLDEN=rewrite pytest tests/golden` records anew: read the diff.
"""

import os
import re
from pathlib import Path

import pytest

from engine.api.decode import decode
from engine.api.kustomize import Kustomization
from engine.errors import Failure
from engine.objects.manifests import load
from engine.render import Request, render
from engine.source.tree import MemoryTree

BOOKS = sorted((Path(__file__).parent / "broken").glob("*.txt"))
TITLE = re.compile(r"^== (.+) ==\n", re.MULTILINE)
PART = re.compile(r"^-- (.+?)( \(escaped\))? --\n", re.MULTILINE)
EVERY = "every case"

Parts = dict[str, bytes]


def parts_of(text: str) -> Parts:
    """{path: content} of a case."""
    _, *found = PART.split(text)
    parts = {}
    for path, is_escaped, content in zip(found[::3], found[1::3], found[2::3], strict=True):
        parts[path] = (
            content.encode().decode("unicode_escape").encode("latin-1")
            if (is_escaped)
            else content.rstrip("\n").encode() + b"\n"
        )
    return parts


def cases_of(book: Path) -> dict[str, Parts]:
    """{title: files} of a book, those of every case among them."""
    _, *found = TITLE.split(book.read_text())
    cases = {title: parts_of(text) for title, text in zip(found[::2], found[1::2], strict=True)}
    common = cases.pop(EVERY)
    return {title: {**common, **parts} for title, parts in cases.items()}


def message_of(parts: Parts) -> str:
    """What a person is told of these files."""
    given = load(parts["spec"]) if "spec" in parts else {}
    is_closed = given.pop("noRemoteBases", False)
    spec = {"interval": "1m", "prune": True, **given}
    spec["sourceRef"] = {"kind": "GitRepository", "name": "source"}
    obj = {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": "apps", "namespace": "flux-system"},
        "spec": spec,
    }
    variables = spec.get("postBuild", {}).get("substitute")
    request = Request.of(decode(Kustomization, obj), variables, no_remote_bases=is_closed)
    files = {path: text for path, text in parts.items() if path not in ("spec", "error")}
    try:
        made = render(MemoryTree(files), request).objects
    except Failure as failure:
        return f"{failure.reason}: {failure}\n"
    return f"builds {len(made)} objects\n"


def recorded(book: Path) -> str:
    """The book with today's messages."""
    head, *found = TITLE.split(book.read_text())
    text = [head]
    cases = cases_of(book)
    for title, body in zip(found[::2], found[1::2], strict=True):
        files = re.split(r"^-- error --\n", body, flags=re.MULTILINE)[0].rstrip("\n")
        error = f"\n-- error --\n{message_of(cases[title])}" if title != EVERY else "\n"
        text.append(f"== {title} ==\n{files}{error}")
    return text[0] + "\n".join(text[1:])


if os.environ.get("GOLDEN") == "rewrite":  # here, before the tests are made of what is recorded
    for each in BOOKS:
        each.write_text(recorded(each))


@pytest.mark.parametrize(
    ("title", "parts"),
    [case for book in BOOKS for case in cases_of(book).items()],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_broken_repository_is_told_apart(title: str, parts: Parts) -> None:
    message = message_of(parts)

    assert message == parts["error"].decode(), title
    assert not message.startswith("builds")
