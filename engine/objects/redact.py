"""Keep secrets out of what people read: plans, events, errors and logs."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from engine.objects.ref import Object

MASK: Final = "***"

_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_NO_VALUES: Final = {"apiVersion", "kind", "metadata", "type", "immutable", "data"}
_SHORTEST: Final = 3
"""Characters below which a value is not masked: it would show where it stands in every word."""


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
    pattern = _pattern(secrets)
    return pattern.sub(MASK, text) if pattern is not None else text


def masker(secrets: Sequence[str]) -> Callable[[str], str]:
    """`mask` with a list that may still grow: what it costs to prepare is spent once a length."""
    prepared: tuple[int, re.Pattern[str] | None] = (0, None)

    def masked(text: str) -> str:
        nonlocal prepared
        if prepared[0] != len(secrets):
            prepared = len(secrets), _pattern(secrets)
        pattern = prepared[1]
        return pattern.sub(MASK, text) if pattern is not None else text

    return masked


def _pattern(secrets: Iterable[str]) -> re.Pattern[str] | None:
    """What finds every form of the secrets, None if there is none."""
    forms = sorted({form for secret in secrets for form in _forms(secret)}, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, forms))) if forms else None


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
    for part in {secret, secret.strip(), *(line.strip() for line in secret.splitlines())}:
        if len(part) < _SHORTEST:
            continue
        data = part.encode(errors="surrogatepass")
        yield part
        yield base64.b64encode(data).decode()
        yield base64.urlsafe_b64encode(data).decode().rstrip("=")
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
