"""The documents: an index that names them all, and links that lead somewhere."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
LINK = re.compile(r"\]\(([^)#:]+)\)")


def test_the_index_names_every_document_in_a_line() -> None:
    rows = [line for line in (DOCS / "README.md").read_text().splitlines() if "](" in line]
    named = {link for line in rows for link in LINK.findall(line)}

    assert {path.name for path in DOCS.glob("*.md")} - {"README.md"} <= named
    assert len(rows) == len(named)


def test_links_between_documents_lead_somewhere() -> None:
    links = {
        (path.name, link) for path in DOCS.glob("*.md") for link in LINK.findall(path.read_text())
    }

    assert [each for each in sorted(links) if not (DOCS / each[1]).exists()] == []
