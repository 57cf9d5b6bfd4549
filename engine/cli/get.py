"""`lockstep get`: objects, what they hold and whether they are ready."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click
import orjson

from engine.cli import kinds, table
from engine.cli.columns import Layout
from engine.cli.completing import complete_kind
from engine.cli.finding import listed, named
from engine.cli.following import Row, follow
from engine.cli.go_flags import FluxCommand
from engine.cli.help import examples
from engine.cli.kinds import Kind
from engine.cli.problems import Problem
from engine.cli.selecting import Selector, selector
from engine.cli.target import Target, asynchronous, with_target, with_timeout, within
from engine.cluster import Client, NotFound
from engine.cluster.client import Query
from engine.objects.manifests import dump
from engine.objects.ref import Object
from engine.runtime import SystemClock


@dataclass(frozen=True, slots=True)
class View:
    """What is asked for, and how it is shown."""

    kinds: tuple[Kind, ...]
    names: tuple[str, ...]
    namespace: str  #: empty: all
    query: Query
    selects: Selector
    form: str
    with_headers: bool
    with_source: bool

    @property
    def place(self) -> str:
        """Where was looked, as Flux says it."""
        return f'"{self.namespace}"' if self.namespace else "any"

    @property
    def layout(self) -> Layout:
        """The columns, with ages as of now."""
        return Layout(
            SystemClock().wall(),
            is_wide=self.form == "wide",
            with_namespace=not self.namespace,
            with_source=self.with_source,
            with_kind=len(self.kinds) > 1,
        )

    def is_wanted(self, obj: Object) -> bool:
        """Whether it is to be shown."""
        is_named = not self.names or obj["metadata"]["name"] in self.names
        return is_named and self.selects(obj)


@click.command(
    "get",
    cls=FluxCommand,
    epilog=examples(
        "lockstep get ks",
        "lockstep get kustomizations apps -o yaml",
        "lockstep get ks -A --status-selector ready=false",
        "lockstep get sources git -A",
        "lockstep get ks --watch",
        "lockstep get all -A -o wide",
    ),
)
@click.argument("words", metavar="KIND [NAME]...", nargs=-1, shell_complete=complete_kind)
@click.option("-A", "--all-namespaces", is_flag=True, help="Objects of all namespaces.")
@click.option("-l", "--label-selector", default="", help="Only objects with these labels.")
@click.option(
    "--status-selector", default="", help="Only objects with this condition: ready=false."
)
@click.option("-w", "--watch", is_flag=True, help="Go on and show each change.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["wide", "yaml", "json", "name"]),
    help="Another form; wide adds LAST-APPLIED.",
)
@click.option("--no-header", is_flag=True, help="Leave the names of the columns out.")
@click.option("--show-source", is_flag=True, help="What a ks or hr is made of.")
@with_timeout("5m")
@with_target
@asynchronous
async def command(
    target: Target, words: tuple[str, ...], watch: bool, seconds: float, **how: Any
) -> None:
    """List objects, what they hold and whether they are ready.

    KIND is kustomizations (ks), helmreleases (hr), `sources git` (or oci, bucket, helm, chart,
    external, all), receivers, alerts, alert-providers, `images repository` (or policy, update,
    all), `artifacts generators`, or all.
    """
    view = _view(target, words, how)
    _check(view, watch)
    async with target.client() as client:
        if watch:
            await _watch(client, view)
            return
        with within(seconds):
            found = await _found(client, view)
    _show(found, view)


def _view(target: Target, words: tuple[str, ...], how: Mapping[str, Any]) -> View:
    chosen, names = kinds.parse(words)
    labels = how["label_selector"]
    return View(
        chosen,
        names,
        "" if how["all_namespaces"] else target.namespace,
        {"label_selector": labels} if labels else {},
        selector(how["status_selector"]),
        how["output"] or "",
        not how["no_header"],
        how["show_source"],
    )


def _check(view: View, watch: bool) -> None:
    if view.names and not view.namespace:
        raise click.UsageError("a name needs a namespace: leave -A out, or the name")
    if view.names and len(view.kinds) > 1:
        raise click.UsageError("a name needs one kind, not all of them")
    if watch and len(view.kinds) > 1:
        raise click.UsageError(f"--watch follows one kind at a time: {kinds.KNOWN}")
    if watch and view.form in ("yaml", "json", "name"):
        raise click.UsageError(f"--watch shows rows: leave '-o {view.form}' out")


async def _found(client: Client, view: View) -> dict[Kind, Sequence[Object]]:
    """What there is, by kind and then as the API server orders it; no empty kinds.

    Raises Problem if one that was named is not there, ApiError.
    """
    found = {kind: await _of_kind(client, kind, view) for kind in view.kinds}
    return {kind: objects for kind, objects in found.items() if objects}


async def _of_kind(client: Client, kind: Kind, view: View) -> Sequence[Object]:
    if view.names:
        return [await named(client, kind, view.namespace, name) for name in view.names]
    if len(view.kinds) == 1:
        return await listed(client, kind, view.namespace, view.query)
    try:
        return (await client.list(kind.resource, view.namespace, **view.query)).items
    except NotFound:
        return []  # among all kinds, one whose definition is missing has no objects


def _show(found: Mapping[Kind, Sequence[Object]], view: View) -> None:
    """A table a kind, or the objects themselves.  Raises Problem if one kind has no objects."""
    wanted = {kind: [o for o in objects if view.is_wanted(o)] for kind, objects in found.items()}
    if view.form in ("yaml", "json"):
        click.echo(_text([obj for each in wanted.values() for obj in each], view), nl=False)
        return
    if not found:
        _tell_nothing(view)
    shown = {kind: each for kind, each in wanted.items() if each or len(view.kinds) == 1}
    for number, (kind, objects) in enumerate(shown.items()):
        if view.form == "name":
            for obj in objects:
                click.echo(f"{kind.name.lower()}/{obj['metadata']['name']}")
            continue
        if number and view.with_headers:
            click.echo()
        names = view.layout.headers(kind) if view.with_headers else []
        table.write(names, [view.layout.cells(kind, obj) for obj in objects])


def _tell_nothing(view: View) -> None:
    what = view.kinds[0].name if len(view.kinds) == 1 else "Flux"
    text = f"no {what} objects found in {view.place} namespace"
    if len(view.kinds) == 1:
        raise Problem(text if not view.namespace else f"{text}; -A looks in all of them")
    click.echo(text, err=True)


def _text(objects: Sequence[Object], view: View) -> str:
    shown = [_without_managers(obj) for obj in objects]
    single = len(view.names) == 1 and len(shown) == 1
    whole = shown[0] if single else {"apiVersion": "v1", "kind": "List", "items": shown}
    if view.form == "yaml":
        return dump(whole)
    return orjson.dumps(whole, option=orjson.OPT_INDENT_2).decode() + "\n"


def _without_managers(obj: Object) -> Object:
    metadata = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    return {**obj, "metadata": metadata}


async def _watch(client: Client, view: View) -> None:
    """Prints the table, then a row for each change, for ever.  Raises Forbidden, NotFound."""
    (kind,) = view.kinds

    def row_of(obj: Object) -> Row | None:
        return Row(view.layout.cells(kind, obj)) if view.is_wanted(obj) else None

    names = view.layout.headers(kind) if view.with_headers else []
    await follow(client, kind.resource, [(view.namespace, view.query)], names, row_of)
