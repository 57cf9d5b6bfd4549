"""`lockstep get`: objects, what they hold and whether they are ready."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from random import Random
from typing import Any

import click
import orjson

from engine.api import Kind
from engine.cli import kinds, table
from engine.cli.columns import cells, headers
from engine.cli.help import examples
from engine.cli.problems import Problem
from engine.cli.target import Target, asynchronous, with_target
from engine.cluster import Client, Forbidden, NotFound
from engine.cluster.client import Query
from engine.cluster.resource import resource_of
from engine.cluster.watch import EventType, Watch
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
    form: str
    no_header: bool

    @property
    def place(self) -> str:
        """Where was looked, for messages."""
        return f"namespace '{self.namespace}'" if self.namespace else "any namespace"

    def headers(self) -> list[str]:
        """The names of the columns."""
        return headers(wide=self.form == "wide", with_namespace=not self.namespace)

    def row(self, obj: Object) -> list[str]:
        """One object."""
        return cells(
            obj,
            SystemClock().wall(),
            wide=self.form == "wide",
            with_namespace=not self.namespace,
            kind=obj["kind"] if len(self.kinds) > 1 else "",
        )


@click.command(
    "get",
    epilog=examples(
        "lockstep get ks",
        "lockstep get kustomizations apps -o yaml",
        "lockstep get sources git -A",
        "lockstep get ks --watch",
        "lockstep get all -A -o wide",
    ),
)
@click.argument("words", metavar="KIND [NAME]...", nargs=-1)
@click.option("-A", "--all-namespaces", is_flag=True, help="Objects of all namespaces.")
@click.option("-l", "--label-selector", default="", help="Only objects with these labels.")
@click.option("-w", "--watch", is_flag=True, help="Go on and show each change.")
@click.option("-o", "--output", type=click.Choice(["wide", "yaml", "json"]), help="Another form.")
@click.option("--no-header", is_flag=True, help="Leave the names of the columns out.")
@with_target
@asynchronous
async def command(target: Target, words: tuple[str, ...], watch: bool, **how: Any) -> None:
    """List objects, what they hold and whether they are ready.

    KIND is kustomizations (ks), helmreleases (hr), `sources git` (or oci, bucket, helm, chart,
    external, all), or all.
    """
    view = _view(target, words, **how)
    _check(view, watch)
    async with target.client() as client:
        if watch:
            await _follow(client, view)
        else:
            _show(await _found(client, view), view)


def _view(
    target: Target,
    words: tuple[str, ...],
    *,
    all_namespaces: bool,
    label_selector: str,
    output: str | None,
    no_header: bool,
) -> View:
    chosen, names = kinds.parse(words)
    query: Query = {"label_selector": label_selector} if label_selector else {}
    namespace = "" if all_namespaces else target.namespace
    return View(chosen, names, namespace, query, output or "", no_header)


def _check(view: View, watch: bool) -> None:
    if view.names and not view.namespace:
        raise click.UsageError("a name needs a namespace: leave -A out, or the name")
    if view.names and len(view.kinds) > 1:
        raise click.UsageError("a name needs one kind, not all of them")
    if watch and len(view.kinds) > 1:
        raise click.UsageError(f"--watch follows one kind at a time: {kinds.KNOWN}")
    if watch and view.form in ("yaml", "json"):
        raise click.UsageError(f"--watch shows rows: leave '-o {view.form}' out")


async def _found(client: Client, view: View) -> list[Object]:
    """The objects, by kind and then as the API server orders them.

    Raises Problem if one that was named is not there, ApiError.
    """
    found: list[Object] = []
    for kind in view.kinds:
        found += await _of_kind(client, kind, view)
    return found


async def _of_kind(client: Client, kind: Kind, view: View) -> list[Object]:
    resource = resource_of(kind)
    if view.names:
        return [await named(client, kind, view.namespace, name) for name in view.names]
    try:
        return list((await client.list(resource, view.namespace, **view.query)).items)
    except NotFound as error:
        if len(view.kinds) > 1:
            return []  # among all kinds, one whose definition is missing has no objects
        raise Problem(
            f"{kind.name} is not served in {kind.api_version}; "
            "`lockstep run --install-crds` installs Flux's definitions"
        ) from error


async def named(client: Client, kind: Kind, namespace: str, name: str) -> Object:
    """The object.  Raises Problem if it is not there."""
    obj = await client.get(resource_of(kind), namespace, name)
    if obj is None:
        raise Problem(
            f"there is no {kind.name} '{name}' in namespace '{namespace}'; "
            f"`lockstep get {kind.plural} -A` lists them all"
        )
    return obj


def _show(found: Sequence[Object], view: View) -> None:
    if view.form in ("yaml", "json"):
        click.echo(_text(found, view), nl=False)
        return
    if not found:
        what = view.kinds[0].name if len(view.kinds) == 1 else "Flux"
        click.echo(f"no {what} objects found in {view.place}", err=True)
        return
    table.write([] if view.no_header else view.headers(), [view.row(obj) for obj in found])


def _text(found: Sequence[Object], view: View) -> str:
    objects = [_without_managers(obj) for obj in found]
    single = len(view.names) == 1
    whole = objects[0] if single else {"apiVersion": "v1", "kind": "List", "items": objects}
    if view.form == "yaml":
        return dump(whole)
    return orjson.dumps(whole, option=orjson.OPT_INDENT_2).decode() + "\n"


def _without_managers(obj: Object) -> Object:
    metadata = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    return {**obj, "metadata": metadata}


async def _follow(client: Client, view: View) -> None:
    """Prints the table, then a row for each change, for ever.  Raises Forbidden, NotFound."""
    resource = resource_of(view.kinds[0])
    random = Random()  # noqa: S311 - jitter
    watch = Watch(client, resource, SystemClock(), random, view.namespace, view.query)
    first: list[list[str]] = [] if view.no_header else [view.headers()]
    widths: list[int] | None = None  # None until everything that exists was told
    async with aclosing(watch.events()) as events:
        async for event in events:
            match event.type:
                case EventType.TROUBLE:
                    _tell_trouble(event.problem)
                case EventType.SYNCED if widths is None:
                    widths = table.widths_of(first) if first else []
                    for row in first:
                        click.echo(table.line_of(row, widths))
                case EventType.ADDED | EventType.MODIFIED if _is_wanted(event.obj, view):
                    row = view.row(event.obj)
                    if widths is None:
                        first.append(row)
                    else:
                        click.echo(table.line_of(row, widths or table.widths_of([row])))


def _is_wanted(obj: Object, view: View) -> bool:
    return not view.names or obj["metadata"]["name"] in view.names


def _tell_trouble(problem: Exception | None) -> None:
    if isinstance(problem, Forbidden | NotFound):
        raise problem
    click.echo(f"! {problem}; trying again", err=True)
