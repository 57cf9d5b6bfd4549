"""Keys of maps, with what kustomize remembers of how they stand in a file."""

from collections.abc import Mapping
from typing import Any, Final

from engine.render.kustomize.errors import KustomizeError

NULL: Final = "null"
NULLS: Final = frozenset({"", "~", NULL, "Null", "NULL"})


class Key(str):
    """A mapping key of which kustomize remembers how it stands in the file.

    is_bare: unquoted though it reads as a number or the like; no such key can be put out.
    null: how its value is written if that is null: `null`, `~`, or "" for nothing at all.
    is_flowing: it stands in a map in braces, where nothing at all is put out as an empty text.
    schema: the OpenAPI that a comment has for its value, None if there is none.
    A dict keeps the key object that it had first, as kustomize keeps the key's style.
    """

    __slots__ = ("is_bare", "is_flowing", "null", "schema")
    is_bare: bool
    null: str
    is_flowing: bool
    schema: Mapping[str, Any] | None

    @classmethod
    def of(
        cls,
        text: str,
        *,
        is_bare: bool,
        null: str = NULL,
        is_flowing: bool = False,
        schema: Mapping[str, Any] | None = None,
    ) -> str:
        """The key, a plain string if there is nothing to remember."""
        if not is_bare and null == NULL and schema is None:
            return text
        made = cls(text)
        made.is_bare, made.null, made.is_flowing, made.schema = is_bare, null, is_flowing, schema
        return made


def is_blank(key: str) -> bool:
    """True if nothing was written for the value of this key."""
    return isinstance(key, Key) and not key.null


def null_of(key: str) -> str:
    """How the value of this key is written if it is null."""
    return key.null if isinstance(key, Key) else NULL


def is_put_out_empty(key: str) -> bool:
    """True if the value of this key, when it is null, is put out as an empty text."""
    return isinstance(key, Key) and not key.null and key.is_flowing


def is_bare(key: str) -> bool:
    """True if the key stands without quotes and reads as something else than text."""
    return isinstance(key, Key) and key.is_bare


def commented(fields: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The OpenAPI that comments have for some of the fields."""
    return {key: key.schema for key in fields if isinstance(key, Key) and key.schema}


def plain_key(key: str) -> str:
    """The key without what it remembers.  Raises KustomizeError if it does not read as text."""
    if is_bare(key):
        raise KustomizeError(f"the mapping key {str(key)!r} must be quoted")
    return str(key)
