"""What `suspend` and `resume` share: which objects, and what they change in them."""

from collections.abc import Sequence
from typing import Any

import click

from engine.cli import kinds
from engine.cli.finding import listed, named
from engine.cli.kinds import Kind
from engine.cli.problems import Problem
from engine.cli.reconcile import MANAGER
from engine.cluster import Client
from engine.objects.ref import Object
from engine.plan.suspension import MARKS, Suspension


def parse(words: tuple[str, ...], everything: bool) -> tuple[Kind, tuple[str, ...]]:
    """The kind and the names.  Raises click.UsageError; Problem for kinds without `suspend`."""
    kind, names = kinds.parse_one(words)
    if bool(names) == everything:
        raise click.UsageError("name the objects, or give --all")
    if kind.is_made:
        raise Problem(f"{kind.name} cannot be suspended: nothing reconciles it")
    return kind, names


async def chosen(
    client: Client, kind: Kind, names: tuple[str, ...], namespace: str
) -> Sequence[Object]:
    """The objects of those names, all without names.  Raises Problem if there is none."""
    if not names:
        found = await listed(client, kind, namespace)
        if not found:
            raise Problem(f'no {kind.name} objects found in "{namespace}" namespace')
        return found
    return [await named(client, kind, namespace, name) for name in dict.fromkeys(names)]


async def write(client: Client, kind: Kind, obj: Object, said: Suspension | None) -> Object:
    """The object after `spec.suspend` was set, or removed.

    said: why, by whom and until when; None: it is resumed.  What was said before goes.
    """
    metadata = obj["metadata"]
    words = (said.reason, said.until, said.by) if said is not None else ("",) * len(MARKS)
    given = dict(zip(MARKS, words, strict=True))
    old = metadata.get("annotations") or {}
    marks = {key: text or None for key, text in given.items() if text or key in old}
    patch: dict[str, Any] = {"spec": {"suspend": True if said is not None else None}}
    if marks:
        patch["metadata"] = {"annotations": marks}
    return await client.merge_patch(
        kind.resource,
        metadata["namespace"],
        metadata["name"],
        patch,
        field_manager=MANAGER,
    )
