"""Keep secrets out of what people read: plans, events, errors and logs."""

import base64
import binascii
import json
import re
from bisect import insort
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from engine.objects.ref import Object

MASK: Final = "***"

_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_NO_VALUES: Final = {"apiVersion", "kind", "metadata", "type", "immutable", "data"}
_SHORTEST: Final = 3
"""Characters below which a value is not masked: it would show where it stands in every word."""
_MOST_LINES: Final = 1000
"""Lines of one secret that are masked in every spelling; further ones are in the plain one."""
_MOST_WORK: Final = 200_000
"""Looks for a secret in one text, some 0.1 s; a text of ours takes some dozens."""
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.-]+")
"""What no quoting changes."""


def masked(obj: Object) -> Object:
    """The object with the values of a Secret masked, those inside a List too; keys stay legible.

    An object that holds none is returned as it is.
    """
    if _is_secret(obj):
        return _masked_secret(obj)
    items = obj.get("items")
    if isinstance(items, list) and str(obj.get("kind", "")).endswith("List"):
        return {**obj, "items": [masked(i) if isinstance(i, Mapping) else i for i in items]}
    return obj


def mask(text: str, secrets: Iterable[str]) -> str:
    """The text with every secret masked, in base64, quoted for URLs or escaped for JSON too.

    The longest form is masked first, so that no secret is masked in part; a secret of several
    lines is also masked line by line, one shorter than 3 characters is left.
    """
    return _Hiding(secrets).hidden(text)


def masker(secrets: Sequence[str]) -> Callable[[str], str]:
    """`mask` with a list that may still grow: what it costs to prepare is spent once a secret."""
    hiding, known = _Hiding(()), 0

    def masked(text: str) -> str:
        nonlocal known
        if known != len(secrets):
            hiding.add(secrets[known:])
            known = len(secrets)
        return hiding.hidden(text)

    return masked


class _Hiding:
    """Finds every form of some secrets: thousands cost no more for each text than a few.

    A tenant writes secrets and texts: one that would take long to search is hidden as a whole.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._seen: set[str] = set()
        self._forms: dict[str, _Forms] = {}  # {how they begin: forms}
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """These, too."""
        for secret in secrets:
            if secret in self._seen:
                continue
            self._seen.add(secret)
            for form in _forms(secret):
                start = form[:_SHORTEST]
                known = self._forms.get(start)
                if known is None:
                    known = self._forms[start] = _Forms()
                known.add(form)

    def hidden(self, text: str) -> str:
        """The text with MASK in place of each."""
        if not self._forms:
            return text
        parts: list[str] = []
        done = place = work = 0
        while place <= len(text) - _SHORTEST:
            forms = self._forms.get(text[place : place + _SHORTEST])
            length, spent = (0, 0) if forms is None else forms.longest(text, place)
            work += spent
            if work > _MOST_WORK:
                return MASK
            if length:
                parts += (text[done:place], MASK)
                done = place = place + length
            else:
                place += 1
        return "".join((*parts, text[done:]))


class _Forms:
    """Those that begin alike, by length: each length costs one look."""

    __slots__ = ("_by_length", "_lengths")

    def __init__(self) -> None:
        self._by_length: dict[int, set[str]] = {}
        self._lengths: list[int] = []  # the longest last

    def add(self, form: str) -> None:
        """This one, too."""
        length = len(form)
        known = self._by_length.get(length)
        if known is None:
            known = self._by_length[length] = set()
            insort(self._lengths, length)
        known.add(form)

    def longest(self, text: str, place: int) -> tuple[int, int]:
        """(the length of the longest that stands there, 0 if none does; the work to find it)."""
        spent, left = 0, len(text) - place
        for length in reversed(self._lengths):
            if length > left:
                continue
            spent += 1 + length // 64
            if text[place : place + length] in self._by_length[length]:
                return length, spent
            if spent > _MOST_WORK:
                break
        return 0, spent


def masked_values(value: Any, hide: Callable[[str], str]) -> Any:
    """The value with every text and number in it masked; a key stays legible.

    hide: a `masker`.
    """
    if isinstance(value, Mapping):
        return {key: masked_values(item, hide) for key, item in value.items()}
    if isinstance(value, list):
        return [masked_values(item, hide) for item in value]
    if value is None or isinstance(value, bool):
        return value
    text = str(value)
    hidden = hide(text)
    return value if hidden == text else hidden


def secrets_of(obj: Object) -> list[str]:
    """The values of a Secret, as written and as decoded: what `mask` asks for; else nothing.

    Of a malformed one too, whatever stands there: numbers, lists, fields that a Secret has not.
    """
    if not _is_secret(obj):
        return []
    encoded = list(_leaves(obj.get("data")))
    plain = [text for name in obj if name not in _NO_VALUES for text in _leaves(obj[name])]
    return [*encoded, *(text for value in encoded if (text := _decoded(value))), *plain]


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _is_secret(obj: Object) -> bool:
    return obj.get("kind") == "Secret" and obj.get("apiVersion") == "v1"


def _masked_secret(obj: Object) -> Object:
    result = dict(obj)
    for name in ("data", "stringData"):
        values = obj.get(name)
        if isinstance(values, Mapping):
            result[name] = dict.fromkeys(values, MASK)
        elif values is not None:
            result[name] = MASK
    metadata = obj.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    if isinstance(annotations, Mapping) and _LAST_APPLIED in annotations:
        hidden = {**annotations, _LAST_APPLIED: MASK}
        result["metadata"] = {**obj["metadata"], "annotations": hidden}
    return result


def _forms(secret: str) -> Iterator[str]:
    """The ways in which a secret may stand in a text."""
    lines = [line.strip() for line in secret.splitlines()]
    parts = {secret, secret.strip(), *lines[:_MOST_LINES]}
    for part in parts:
        if len(part) >= _SHORTEST:
            yield from _spellings(part)
    yield from (line for line in lines[_MOST_LINES:] if len(line) >= _SHORTEST)


def _spellings(part: str) -> Iterator[str]:
    data = part.encode(errors="surrogatepass")
    yield part
    yield base64.b64encode(data).decode()
    yield base64.urlsafe_b64encode(data).decode().rstrip("=")
    if _PLAIN.fullmatch(part) is None:  # else all of these are the text itself
        yield quote(data, safe="")
        yield json.dumps(part)[1:-1]
        yield json.dumps(part, ensure_ascii=False)[1:-1]
        yield repr(part)[1:-1]


def _decoded(value: str) -> str:
    """The text that base64 stands for, empty if it is none."""
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
