"""Which values of a file are encrypted, in which order, and what each is bound to.

Source: getsops/sops `sops.go` (walkBranch, walkSlice, shouldBeEncrypted, Encrypt, Decrypt).
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

from engine.objects.regex import InvalidExpression, compiled
from engine.sops.error import SopsError
from engine.sops.metadata import Metadata, Rule
from engine.sops.tree import Branch, Comment, Items, Leaf, Node, to_bytes

_MAC_ONLY_ENCRYPTED: Final = hashlib.sha256(b"sops").digest()
"""What such a MAC begins with, so that it never equals one over all values."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a leaf or a comment stands."""

    path: tuple[str, ...]
    """Keys on its way; the index of a list item adds nothing."""
    is_encrypted: bool
    """Whether the rule says so."""

    @property
    def bound(self) -> str:
        """What its encrypted form is bound to."""
        return ":".join(self.path) + ":"

    def __str__(self) -> str:
        return ".".join(self.path)


Visit: TypeAlias = Callable[[Leaf | Comment, Place], None]


def walk(branches: Iterable[Branch], rule: Rule, visit: Visit) -> None:
    """Call `visit` for each leaf but null, and each comment, in the order of the file.

    Raises SopsError if the rule's pattern is no regular expression, and what `visit` raises.
    """
    walker = _Walker(rule, visit)
    for branch in branches:
        walker.branch(branch, (), walker.start)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the names and the comments on the way said."""

    name: bool = False
    comment: bool = False


class _Walker:
    """Follows one rule through the branches of a file."""

    def __init__(self, rule: Rule, visit: Visit) -> None:
        self.start = _Seen()
        self._visit = visit
        self._by_comment = rule.kind.endswith("_comment_regex")
        self._inverted = rule.kind.startswith("un")
        self._matches = _matcher(rule)
        self._names: dict[str, bool] = {}  # {key: whether the rule's pattern matches it}

    def branch(self, branch: Branch, path: tuple[str, ...], seen: _Seen) -> None:
        here = False  # whether a comment since the last value of this mapping matches
        for item in branch.items:
            if isinstance(item, Comment):
                here = self._comment(item, path, seen, here)
            else:
                key, node = item
                inner = _Seen(seen.name or self._named(key), seen.comment or here)
                self._node(node, (*path, key), inner)
                here = False

    def _items(self, items: Items, path: tuple[str, ...], seen: _Seen) -> None:
        here = False
        for item in items.items:
            if isinstance(item, Comment):
                here = self._comment(item, path, seen, here)
            else:
                self._node(item, path, _Seen(seen.name, seen.comment or here))
                here = False

    def _node(self, node: Node, path: tuple[str, ...], seen: _Seen) -> None:
        if isinstance(node, Leaf):
            if node.value is not None:
                matched = seen.comment if self._by_comment else seen.name
                self._visit(node, Place(path, matched is not self._inverted))
        elif isinstance(node, Branch):
            self.branch(node, path, seen)
        else:
            self._items(node, path, seen)

    def _comment(self, comment: Comment, path: tuple[str, ...], seen: _Seen, here: bool) -> bool:
        """Whether a comment since the last value matches, now that this one was visited."""
        if not self._by_comment:
            self._visit(comment, Place(path, seen.name is not self._inverted))
            return False
        after = here or self._matches(comment.text)
        # A comment that asks for encryption stays legible; one that forbids it, too.
        matched = seen.comment or (after if self._inverted else here)
        self._visit(comment, Place(path, matched is not self._inverted))
        return after

    def _named(self, key: str) -> bool:
        if self._by_comment:
            return False
        known = self._names.get(key)
        if known is None:
            known = self._names[key] = self._matches(key)
        return known


@lru_cache(maxsize=64)  # the files of a repository have few rules
def _matcher(rule: Rule) -> Callable[[str], bool]:
    pattern = rule.pattern
    if rule.kind.endswith("_suffix"):
        return lambda name: name.endswith(pattern)
    try:
        expression = compiled(_well_formed(pattern))
    except InvalidExpression as error:
        raise SopsError(str(error), path=f"sops.{rule.kind}") from error
    return lambda text: expression.search(_well_formed(text)) is not None


def _well_formed(text: str) -> str:
    """The text with U+FFFD for what is no UTF-8: a dotenv file may have it, an expression not."""
    if text.isascii():
        return text
    return text.encode(errors="surrogateescape").decode(errors="replace")


class Digest:
    """The MAC of values that are added in the order of the file."""

    __slots__ = ("_hash", "_only_encrypted")

    def __init__(self, metadata: Metadata) -> None:
        self._only_encrypted = metadata.mac_only_encrypted
        self._hash = hashlib.sha512(_MAC_ONLY_ENCRYPTED if self._only_encrypted else b"")

    def add(self, leaf: Leaf, place: Place) -> None:
        """Take a value that is in plain text by now; comments do not count."""
        value = leaf.value
        if value is None or leaf.is_comment:
            return
        if place.is_encrypted or not self._only_encrypted:
            self._hash.update(to_bytes(value))

    def text(self) -> str:
        """The digest as the file has it."""
        return self._hash.hexdigest().upper()
