"""The documents: an index that names them all, and links that lead somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
LINK = re.compile(r"\]\(<?([^)<>\s]+)>?\)")
FENCED = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`+[^`]*`+")
HEADING = re.compile(r"^#{1,6} +(.+?)(?: #+)?$", re.MULTILINE)
SECTION = re.compile(r"(README|docs/\w+\.md),\s\"([^\"]+)\"")
PATH = re.compile(
    r"(?<![\w./-])(?:(?:docs|helm|benchmarks|engine|plugins|tests|\.ci)/[\w./-]*\w|\w[\w/]*/\w+\.py)"
)
PLACES = ROOT, ROOT / "engine"


def documents() -> list[Path]:
    """All that people read, but what tests read and what is installed."""
    found = [*ROOT.glob("*.md"), *DOCS.glob("**/*.md"), *ROOT.glob("benchmarks/**/*.md")]
    return sorted([*found, *ROOT.glob("helm/*.md")])


def test_the_index_names_every_document_in_a_line() -> None:
    rows = [line for line in (DOCS / "README.md").read_text().splitlines() if "](" in line]
    named = {link for line in rows for link in LINK.findall(line)}

    assert {path.name for path in DOCS.glob("*.md")} - {"README.md"} <= named
    assert len(rows) == len(named)


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_link_leads_to_a_file_and_a_heading(document: Path) -> None:
    text = FENCED.sub("", document.read_text())
    links = [link for link in LINK.findall(CODE.sub("", text)) if "://" not in link]

    assert [link for link in links if not leads_somewhere(document, link)] == []


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_of_this_repository_that_is_named_is_there(document: Path) -> None:
    named = PATH.findall(document.read_text())

    # The engine's own files are called by what is below its folder, such as plan/drift.py.
    assert [each for each in named if not any((at / each).exists() for at in PLACES)] == []


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_section_that_is_named_is_there(document: Path) -> None:
    named = SECTION.findall(document.read_text())
    files = {"README": ROOT / "README.md"}

    missing = [
        (name, section)
        for name, section in named
        if section not in HEADING.findall((files.get(name) or ROOT / name).read_text())
    ]
    assert missing == []


def leads_somewhere(document: Path, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = document.parent / name if name else document
    if not anchor or not target.is_file():
        return target.exists() and not anchor
    return anchor in anchors(target.read_text())


def anchors(text: str) -> set[str]:
    """As Git hosts make them of headings; one that is there again gets a number."""
    found: set[str] = set()
    for heading in HEADING.findall(FENCED.sub("", text)):
        words = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        times = sum(
            each == words or re.fullmatch(rf"{words}-\d+", each) is not None for each in found
        )
        found.add(f"{words}-{times}" if times else words)
    return found
