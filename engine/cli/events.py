"""`lockstep events`: Kubernetes' events about Flux's objects, oldest first.

Source: flux-behaviour section 11; flux2 cmd/flux/events.go.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from engine.cli import table
from engine.cli.ages import elapsed, seconds_of
from engine.cli.columns import source_of
from engine.cli.finding import named
from engine.cli.following import Row, Scope, follow
from engine.cli.go_flags import FluxCommand
from engine.cli.help import examples
from engine.cli.kinds import KINDS, Kind, kind_called
from engine.cli.problems import Problem
from engine.cli.target import Target, asynchronous, with_target, with_timeout, within
from engine.cluster import Client, Resource
from engine.cluster.mirror import version
from engine.objects.ref import Object
from engine.runtime import SystemClock

_EVENTS = Resource("", "v1", "Event", "events", namespaced=True)
_TYPES = ("Normal", "Warning")
_NAMES = ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events: in those scopes, of those types (empty: all)."""

    scopes: tuple[Scope, ...]
    types: tuple[str, ...]
    with_namespace: bool

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return ["NAMESPACE", *_NAMES] if self.with_namespace else _NAMES

    def row(self, event: Object) -> Row | None:
        """What is shown of an event, None if it is about something else."""
        about = event.get("involvedObject") or {}
        type_ = str(event.get("type", ""))
        if about.get("kind") not in KINDS or (self.types and type_.lower() not in self.types):
            return None
        cells = [
            last_seen(event, SystemClock().wall()),
            type_,
            str(event.get("reason", "")),
            f"{about['kind']}/{about.get('name', '')}",
            " ".join(str(event.get("message", "")).split()),
        ]
        namespace = [event["metadata"].get("namespace", "")] if self.with_namespace else []
        return Row([*namespace, *cells], _newest(event))


@click.command(
    "events",
    cls=FluxCommand,
    epilog=examples(
        "lockstep events",
        "lockstep events -A --types Warning",
        "lockstep events --for Kustomization/apps --watch",
        "lockstep events --for GitRepository -n team-a",
    ),
)
@click.option("-A", "--all-namespaces", is_flag=True, help="Events of all namespaces.")
@click.option("--for", "about", default="", metavar="KIND[/NAME]", help="Only about these.")
@click.option("--types", multiple=True, metavar="TYPE", help="Normal or Warning, or both.")
@click.option("-w", "--watch", is_flag=True, help="Go on and show each new event.")
@with_timeout("5m")
@with_target
@asynchronous
async def command(
    target: Target, all_namespaces: bool, about: str, types: tuple[str, ...], **how: Any
) -> None:
    """Show what was told of Flux's objects, oldest first.

    With --for KIND/NAME also what was told of the source that the object names.
    """
    kinds = _types(types)
    namespace = "" if all_namespaces else target.namespace
    async with target.client() as client:
        with within(how["seconds"]):
            scopes = await _scopes(client, about, namespace, target.namespace)
            elsewhere = any(scope[0] != namespace for scope in scopes)
            wanted = Wanted(tuple(scopes), kinds, not namespace or elsewhere)
            if not how["watch"]:
                await _show(client, wanted, namespace)
        if how["watch"]:
            await follow(client, _EVENTS, wanted.scopes, wanted.names, wanted.row)


async def _show(client: Client, wanted: Wanted, namespace: str) -> None:
    rows: list[Row] = []
    for place, query in wanted.scopes:
        found = (await client.list(_EVENTS, place, **query)).items
        rows += [row for event in found if (row := wanted.row(event))]
    if not rows:
        click.echo(f"No events found{f' in {namespace} namespace' * bool(namespace)}.", err=True)
        return
    cells = [row.cells for row in sorted(rows, key=lambda row: row.order)]
    table.write(wanted.names, cells)


def last_seen(event: Object, now: float) -> str:
    """`5m`, or `2s (x3 over 5m)` of what happened several times.   now: seconds since 1970."""
    series = event.get("series") or {}
    first = _ago(event.get("eventTime") or event.get("firstTimestamp"), now)
    if series:
        times, latest = series.get("count", 1), series.get("lastObservedTime")
    else:
        times, latest = event.get("count") or 1, event.get("lastTimestamp")
    return f"{_ago(latest, now)} (x{times} over {first})" if series or times > 1 else first


def _ago(instant: str | None, now: float) -> str:
    return elapsed(now - seconds_of(instant)) if instant else "<unknown>"


def _newest(event: Object) -> tuple[float, int]:
    """When it was last seen, seconds since 1970, 0 if that is not said; and when it was written.

    Most events have whole seconds, in which a reconcile begins and ends.
    """
    observed = (event.get("series") or {}).get("lastObservedTime")
    instant = observed or event.get("lastTimestamp") or event.get("eventTime")
    return (seconds_of(instant) if instant else 0.0), version(event)


def _types(given: Sequence[str]) -> tuple[str, ...]:
    """The types in small letters.  Raises click.UsageError."""
    types = [word.strip() for each in given for word in each.split(",")]
    known = [known.lower() for known in _TYPES]
    for each in types:
        if each.lower() not in known:
            raise click.UsageError(
                f"type '{each}' not supported. Supported types are {', '.join(_TYPES)}"
            )
    return tuple(each.lower() for each in types)


async def _scopes(client: Client, about: str, namespace: str, own: str) -> list[Scope]:
    """Where to look; own: the namespace of the object that was named.

    Raises click.UsageError, Problem if that object is not there.
    """
    if not about:
        return [(namespace, {})]
    word, slash, name = about.partition("/")
    kind = kind_called(word)
    if kind is None:
        raise click.UsageError(f"--for: '{word}' is not a recognized Flux kind; use KIND[/NAME]")
    if not slash:
        return [(namespace, {"field_selector": _selector(kind.name)})]
    scopes: list[Scope] = [(namespace, {"field_selector": _selector(kind.name, name)})]
    return scopes + [
        (place, {"field_selector": _selector(*ref)})
        for place, *ref in _related(kind, await _object(client, kind, own, name))
    ]


async def _object(client: Client, kind: Kind, namespace: str, name: str) -> Object:
    """The object, or what is known of it: events stay for an hour after it is gone."""
    try:
        return await named(client, kind, namespace, name)
    except Problem as problem:
        click.echo(f"{problem.message}", err=True)
        return {"kind": kind.name, "metadata": {"namespace": namespace, "name": name}}


def _related(kind: Kind, obj: Object) -> list[tuple[str, str, str]]:
    """(namespace, kind, name) of what the object names and a reader wants to see, too."""
    namespace = obj["metadata"]["namespace"]
    spec = obj.get("spec") or {}
    if kind.name == "Alert" and (provider := (spec.get("providerRef") or {}).get("name")):
        return [(namespace, "Provider", provider)]
    if kind.name == "ImagePolicy" and (image := spec.get("imageRepositoryRef")):
        return [(image.get("namespace") or namespace, "ImageRepository", image["name"])]
    source = source_of(obj)
    if not source:
        return []
    found = [(source["namespace"], source["kind"], source["name"])]
    if kind.name == "HelmRelease" and spec.get("chart"):
        found.append((source["namespace"], "HelmChart", f"{namespace}-{obj['metadata']['name']}"))
    return found


def _selector(kind: str, name: str = "") -> str:
    """As the flux CLI sends it."""
    named = f",involvedObject.name={name}" if name else ""
    return f"involvedObject.kind={kind}{named}"
