"""What is left of a value that kustomize has sent through JSON.

A JSON patch writes the whole object anew, a FooList its items; texts and numbers then have another
spelling, which shows where a scalar is moved about by its text.
Source: kyaml yaml/rnode.go (UnmarshalJSON), go.yaml.in/yaml/v3 encode.go.
"""

import re
from typing import Any

from engine.objects.manifests import ManifestError, load
from engine.objects.scalars import float_text
from engine.objects.scalars import resolve as resolve_old
from engine.render.kustomize.model.keys import plain_key
from engine.render.kustomize.model.scalars import (
    Quoted,
    integral,
    is_text,
    spelled_as,
    unspelled,
)

_SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
"""A text that YAML can only read as a scalar: most are."""


def refloated(value: Any) -> Any:
    """A JSON value after a JSON patch, which is all that kustomize sends through Go's floats.

    Integers from 2^53 on lose their last digits, and those from a million on are spelled `1e+06`.
    Texts only keep the quotes that they need.
    """
    if isinstance(value, dict):
        return {key: refloated(item) for key, item in value.items()}
    if isinstance(value, list):
        return [refloated(item) for item in value]
    if isinstance(value, str):
        return Quoted(value) if _needs_quotes(value) else value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    number = float(value)
    text = float_text(number)
    return spelled_as(integral(number) if number.is_integer() else number, text)


def requoted(value: Any) -> Any:
    """A value as it comes out of JSON: numbers in their usual spelling, every text in quotes.

    Raises KustomizeError for a key that reads as something else than text.
    """
    if isinstance(value, dict):
        return {plain_key(key): requoted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [requoted(item) for item in value]
    plain = unspelled(value)
    return Quoted(plain) if isinstance(plain, str) else plain


def as_set(text: str) -> str:
    """A text as kustomize sets a field to it: quoted if YAML 1.1 would read it as something else.

    Whatever takes its place later keeps the quotes.
    Source: kyaml yaml/fns.go (FieldSetter), yaml/compatibility.go (IsValueNonString).
    """
    if not text or "\n" in text:
        return text
    if _WORD.fullmatch(text):
        return text if isinstance(resolve_old(text), str) else Quoted(text)
    try:
        return text if isinstance(load(text), str) else Quoted(text)
    except ManifestError:
        return text


def _needs_quotes(text: str) -> bool:
    """True if YAML 1.1 or 1.2 would read the unquoted text as something else, or not at all."""
    if not text or "\n" in text or _SEXAGESIMAL.fullmatch(text):
        return True
    if not is_text(text) or not isinstance(resolve_old(text), str):
        return True
    is_indicated = text[0] in "-?:" and text[1:2] in ("", " ")
    is_indicated |= text[0] in ",[]{}#&*!|>'\"%@` "
    return is_indicated or ": " in text or " #" in text or text[-1] in ": "
