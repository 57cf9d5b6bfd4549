"""Live views: a table of what there is, then a row for each change, until it is interrupted."""

from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from random import Random
from typing import TypeAlias

import anyio
import click

from engine.cli import steps, table
from engine.cluster import Client, Forbidden, NotFound, Resource
from engine.cluster.client import Query
from engine.cluster.known import Event, EventType
from engine.cluster.watch import Watch
from engine.objects.ref import Object
from engine.runtime import SystemClock


@dataclass(frozen=True, slots=True)
class Row:
    """What is shown of an object; order: where it stands among those that were there."""

    cells: list[str]
    order: tuple[float, int] = (0.0, 0)


RowOf: TypeAlias = Callable[[Object], Row | None]
"""The row of an object, None for one that is not to be shown."""
Scope: TypeAlias = tuple[str, Query]
"""A namespace, empty for all, and what narrows it."""


async def follow(
    client: Client, resource: Resource, scopes: Sequence[Scope], names: list[str], row_of: RowOf
) -> None:
    """Shows the objects in these scopes for ever.  names: of the columns; none: no line of names.

    Raises Forbidden, NotFound.
    """
    rows = _Rows(names, len(scopes))
    async with anyio.create_task_group() as tasks:
        for scope in scopes:
            tasks.start_soon(_one, client, resource, scope, rows, row_of)


async def _one(
    client: Client, resource: Resource, scope: Scope, rows: "_Rows", row_of: RowOf
) -> None:
    random = Random()  # noqa: S311 - jitter
    watch = Watch(client, resource, SystemClock(), random, *scope)
    is_synced = False
    async with aclosing(watch.events()) as events:
        async for event in events:
            match event.type:
                case EventType.TROUBLE:
                    _tell(event)
                case EventType.SYNCED if not is_synced:
                    is_synced = True
                    rows.one_is_synced()
                case EventType.ADDED | EventType.MODIFIED if row := row_of(event.obj):
                    rows.add(row)


@dataclass(slots=True)
class _Rows:
    """Holds back what there is until all of it is known: columns are as wide as it needs."""

    names: list[str]
    unsynced: int  #: scopes that have not told what there is
    held: list[Row] = field(default_factory=list)
    widths: list[int] = field(default_factory=list)

    def one_is_synced(self) -> None:
        self.unsynced -= 1
        if self.unsynced:
            return
        first = [row.cells for row in sorted(self.held, key=lambda row: row.order)]
        lines = [*([self.names] if self.names else []), *first]
        self.widths = table.widths_of(lines) if lines else []
        for cells in lines:
            click.echo(table.line_of(cells, self.widths))
        self.held.clear()

    def add(self, row: Row) -> None:
        if self.unsynced:
            self.held.append(row)
            return
        self.widths = self.widths or table.widths_of([row.cells])
        click.echo(table.line_of(row.cells, self.widths))


def _tell(event: Event) -> None:
    """Says that the watch has trouble.  Raises what will not pass by itself."""
    if isinstance(event.problem, Forbidden | NotFound):
        raise event.problem
    steps.warning(f"{event.problem}; trying again")
