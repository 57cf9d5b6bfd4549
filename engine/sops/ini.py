"""INI files: sections of `name = value`, the `sops` part being one of them.

Source: getsops/sops `stores/ini/store.go`; gopkg.in/ini.v1 with its defaults for what a line means
and how one is written.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from engine.sops.dotenv import plain_text
from engine.sops.error import SopsError
from engine.sops.flat import flattened, unflattened
from engine.sops.metadata import SOPS
from engine.sops.tree import MAX_NODES, Branch, Comment, Leaf, Node

_DEFAULT: Final = "DEFAULT"
"""The section of what stands before the first header; it has none itself."""
_QUOTED_NAME: Final = re.compile(r'(?>("""|"|`)(.*?)\1)[^=:]*[=:]')
"""Atomic: behind a later quote there is no `=` either, and a hostile line has thousands."""
_NAME: Final = re.compile(r"([^=:]+)[=:]")
_COMMENT: Final = re.compile(r"[#;].*", re.DOTALL)
_WHOLLY_QUOTED: Final = re.compile(r"""'[^']*'\Z|"[^"]*"\Z""")


def read(content: bytes) -> list[Branch]:
    """The one branch of the file: a branch for each section.  Raises SopsError."""
    items: list[tuple[str, Node] | Comment] = []
    for section in _Reading(content.decode("utf-8-sig", errors="surrogateescape")).sections():
        if section.name == SOPS:
            flat = ((name, _unescaped(leaf)) for name, (leaf, _) in section.keys.items())
            items.append((SOPS, unflattened(flat)))
        else:
            items.append((section.name, section.branch()))
    return [Branch(items)]


def write(branches: list[Branch]) -> bytes:
    """The text of the first branch.  Raises SopsError if it is more than sections of scalars."""
    sections = list(branches[0].pairs()) if branches else []
    texts = []
    for at, (name, node) in enumerate(sections):
        if not isinstance(node, Branch):
            raise SopsError("is not a section, and INI has nothing else at the top", path=name)
        body = "".join(_section(_sops_keys(node) if name == SOPS else node, name))
        is_headless = at == 0 and name.upper() == _DEFAULT
        if body or not is_headless:
            header = "" if is_headless else f"[{name}]\n"
            texts.append(_first_comment(node) + header + body)
    return "\n".join(texts).encode(errors="surrogateescape")


@dataclass(slots=True)
class _Section:
    name: str
    comment: str = ""
    keys: dict[str, tuple[Leaf, str]] = field(default_factory=dict)
    """{name: (value, the comment before it)}; the last of two with one name counts."""

    def branch(self) -> Branch:
        items: list[tuple[str, Node] | Comment] = _comments(self.comment)
        for name, (leaf, comment) in self.keys.items():
            items += [(name, leaf), *_comments(comment)]  # after its key: so sops has it
        return Branch(items)


class _Reading:
    """Goes through the lines of a file, of which a value may take several."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self._at = 0
        self._comment: list[str] = []
        if len(self._lines) > MAX_NODES:
            raise SopsError(f"more than {MAX_NODES:,} lines")

    def sections(self) -> list[_Section]:
        sections = [_Section(_DEFAULT)]
        while (line := self._next()) is not None:
            line = line.lstrip()
            if line[:1] in ("#", ";"):
                self._comment.append(line + "\n")
            elif line.startswith("["):
                sections.append(self._header(line))
            elif line:
                number = self._at
                name, rest = self._name(line)
                value = self._value(rest)
                sections[-1].keys[name] = Leaf(value, number), self._taken()
        return sections

    def _next(self) -> str | None:
        """The next line, None at the end."""
        if self._at == len(self._lines):
            return None
        self._at += 1
        return self._lines[self._at - 1]

    def _taken(self) -> str:
        """The comment lines since the last key or header."""
        text = "".join(self._comment).strip()
        self._comment.clear()
        return text

    def _header(self, line: str) -> _Section:
        end = line.rfind("]")
        if end < 2:
            raise SopsError("the name of the section is empty or not closed", line=self._at)
        if found := _COMMENT.search(line, end):
            self._comment.append(found[0])
        return _Section(line[1:end], self._taken())

    def _name(self, line: str) -> tuple[str, str]:
        """(name, what follows the `=`) of a line."""
        if found := _QUOTED_NAME.match(line):
            return found[2].strip(), line[found.end() :]
        found = _NAME.match(line)
        if not found:
            raise SopsError("the line is neither a section nor name = value", line=self._at)
        return found[1].strip(), line[found.end() :]

    def _value(self, text: str) -> str:
        line = text.lstrip()
        quote = '"""' if line.startswith('"""') else line[:1]
        if quote in ('"""', "`"):
            return self._quoted(line[len(quote) :], quote)
        line = line.rstrip()
        if line.endswith("\\"):
            return self._continued(line[:-1])
        if found := _COMMENT.search(line):
            self._comment.append(found[0])
            line = line[: found.start()].rstrip()
        return line[1:-1] if _WHOLLY_QUOTED.match(line) else line

    def _quoted(self, text: str, quote: str) -> str:
        """A value in such quotes, over as many lines as it takes."""
        start, parts = self._at, []
        while (end := text.rfind(quote)) < 0:
            parts.append(text + "\n")
            following = self._next()
            if following is None:
                raise SopsError("a quote that opens here is never closed", line=start)
            text = following
        if parts and (found := _COMMENT.search(text, end)):
            self._comment.append(found[0].strip())
        return "".join(parts) + text[:end]

    def _continued(self, value: str) -> str:
        """A value whose line ends with a backslash: the next line belongs to it."""
        while line := (self._next() or "").strip():
            value += line
            if not value.endswith("\\"):
                break
            value = value[:-1]
        return value


def _comments(text: str) -> list[tuple[str, Node] | Comment]:
    return [Comment(text.lstrip(f"{text[0]} "))] if text else []


def _unescaped(leaf: Leaf) -> Leaf:
    value = leaf.value
    return Leaf(value.replace("\\n", "\n"), leaf.line) if isinstance(value, str) else leaf


def _sops_keys(node: Branch) -> Branch:
    """The `sops` part as one section."""
    return Branch(
        [
            (name, Leaf(plain_text(leaf.value).replace("\n", "\\n")))
            for name, leaf in flattened(node)
        ]
    )


def _first_comment(section: Branch) -> str:
    first = section.items[0] if section.items else None
    return _comment_lines(first.text) if isinstance(first, Comment) else ""


def _section(section: Branch, header: str) -> Iterator[str]:
    """The lines of the section's keys, `=` below `=`, each after its comment."""
    keys = list(_keys(section, header))
    width = max((len(name) for name, _, _ in keys), default=0)
    for name, value, comment in keys:
        yield f"{_comment_lines(comment)}{name.ljust(width)} = {value}\n"


def _keys(section: Branch, header: str) -> Iterable[tuple[str, str, str]]:
    """(name, value, comment) of each key, quoted as INI wants it."""
    found: dict[str, tuple[str, str]] = {}
    last = ""
    for item in section.items:
        if isinstance(item, Comment):
            if last:
                found[last] = (found[last][0], item.text)
            continue
        key, node = item
        if not isinstance(node, Leaf):
            raise SopsError("is no scalar, and INI has no other values", path=f"{header}.{key}")
        last = key
        found[key] = (plain_text(node.value), "")
    return [(_quoted_name(key), _quoted_value(v), comment) for key, (v, comment) in found.items()]


def _quoted_name(name: str) -> str:
    if any(mark in name for mark in '"=:'):
        return f"`{name}`"
    return f'"""{name}"""' if "`" in name else name


def _quoted_value(value: str) -> str:
    if "\n" in value or "`" in value:
        return f'"""{value}"""'
    if "#" in value or ";" in value:
        return f"`{value}`"
    return f'"{value}"' if value.strip() != value else value


def _comment_lines(comment: str) -> str:
    return "".join(_comment_line(line) + "\n" for line in comment.split("\n")) if comment else ""


def _comment_line(line: str) -> str:
    if line[:1] in ("#", ";"):
        return f"{line[0]} {line[1:].strip()}"
    return f"; {line.strip()}"
