"""`--status-selector`: objects by a condition, `ready=false` or `ready!=true`.

Source: flux2 cmd/flux/get.go: names and values in any case of letters; an object without that
condition has no status, so `=` never picks it and `!=` always does.
"""

from collections.abc import Callable
from typing import TypeAlias

import click

from engine.cli.columns import static_message
from engine.objects.ref import Object

Selector: TypeAlias = Callable[[Object], bool]


def selector(text: str) -> Selector:
    """What picks objects; everything for "".  Raises click.UsageError."""
    if not text:
        return lambda _: True
    type_, sign, status = text.partition("=")
    is_negated = type_.endswith("!")
    type_ = type_.removesuffix("!")
    if not (type_ and sign):
        raise click.UsageError(
            f"expected status selector in type=status or type!=status format, but found: {text}"
        )

    def picks(obj: Object) -> bool:
        return (_status(obj, type_.lower()) == status.lower()) != is_negated

    return picks


def _status(obj: Object, type_: str) -> str:
    """The status of the condition of that type in small letters, "" if there is none."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    found = [c.get("status", "") for c in conditions if c.get("type", "").lower() == type_]
    if not found and type_ == "ready" and static_message(obj):
        return "true"
    return str(found[-1]).lower() if found else ""
