"""`lockstep trace`: from an object in the cluster to the commit it comes from.

Source: flux-behaviour section 11; flux2 cmd/flux/trace.go.
"""

from collections.abc import Sequence

import click

from engine.api.meta import HELM_GROUP, KUSTOMIZE_GROUP
from engine.cli.columns import source_of
from engine.cli.go_flags import FluxCommand
from engine.cli.help import examples
from engine.cli.kinds import KINDS, Kind
from engine.cli.origins import Origin, report
from engine.cli.problems import Problem
from engine.cli.resources import Resources, served
from engine.cli.target import Target, asynchronous, with_target, with_timeout, within
from engine.cluster import Client, Resource
from engine.objects.ref import Object

_OWNERS = ((KUSTOMIZE_GROUP, KINDS["Kustomization"]), (HELM_GROUP, KINDS["HelmRelease"]))
"""Groups of owner labels, and what they name; the first that is there counts."""
_HIGHEST = 20  # owner references that are followed: a Pod has two


@click.command(
    "trace",
    cls=FluxCommand,
    epilog=examples(
        "lockstep trace -n apps deployment web",
        "lockstep trace -n apps pod/web-7d4b9c cm/settings",
        "lockstep trace namespace shop",
        "lockstep trace web --kind Deployment --api-version apps/v1 -n apps",
    ),
)
@click.argument("words", metavar="RESOURCE NAME... | RESOURCE/NAME...", nargs=-1)
@click.option("--kind", default="", help="Kind of the object, with --api-version.")
@click.option("--api-version", default="", help="API version of the object, with --kind.")
@with_timeout("5m")
@with_target
@asynchronous
async def command(
    target: Target, words: tuple[str, ...], kind: str, api_version: str, seconds: float
) -> None:
    """Show where objects in the cluster come from, up to the commit.

    What somebody else made for an object of Git, as the Pods of a Deployment, is traced, too.
    """
    _check(words, kind, api_version)
    failed: list[str] = []
    told = 0
    with within(seconds):
        async with target.client() as client:
            resources = await served(client)
            chosen = _chosen(words, kind, api_version, resources)
            for resource, name in chosen:
                try:
                    text = await _traced(client, resources, resource, target.namespace, name)
                except Problem as problem:
                    failed.append(f"failed to trace {resource.kind}/{name}: {problem.message}")
                    continue
                click.echo(f"---\n{text}" if told else text)
                told += 1
    if failed:
        raise Problem("\n".join(failed))


def _check(words: Sequence[str], kind: str, api_version: str) -> None:
    if bool(kind) != bool(api_version):
        raise click.UsageError("give both --kind and --api-version, or neither")
    if not words:
        what = "object name" if kind else "either `<resource>/<name>` or `<resource> <name>`"
        raise click.UsageError(f"{what} is required")
    if kind and len(words) != 1:
        raise click.UsageError("with --kind name one object")


def _chosen(
    words: Sequence[str], kind: str, api_version: str, resources: Resources
) -> list[tuple[Resource, str]]:
    """The objects that the words name.  Raises Problem, click.UsageError."""
    if kind:
        return [(resources.of(api_version, kind), words[0])]
    if "/" not in words[0]:
        if len(words) < 2:
            raise click.UsageError(f"which {words[0]}? name it: lockstep trace {words[0]} NAME")
        resource = resources.called(words[0])
        return [(resource, name) for name in words[1:]]
    pairs = [word.partition("/") for word in words]
    for word, _, name in pairs:
        if not name:
            raise click.UsageError(f"'{word}': there is no need to mix: use RESOURCE/NAME for all")
    return [(resources.called(word), name) for word, _, name in pairs]


async def _traced(
    client: Client, resources: Resources, resource: Resource, namespace: str, name: str
) -> str:
    """The report.  Raises Problem if the object is not there, or nobody's."""
    obj = await client.get(resource, namespace if resource.namespaced else "", name)
    if obj is None:
        where = f' in "{namespace}" namespace' if resource.namespaced else ""
        raise Problem(f"{resource.title} '{name}' not found{where}; -n names another")
    found = await _owner(client, resources, obj)
    if found is None:
        raise Problem(
            "object not managed by Flux: neither it nor what owns it carries an owner label; "
            "is it in Git at all?"
        )
    kind, owner = found
    chain = [Origin(kind, owner)]
    while origin := await _source(client, chain[-1]):
        chain.append(origin)
    return report(obj, chain)


async def _owner(client: Client, resources: Resources, obj: Object) -> tuple[Kind, Object] | None:
    """The Kustomization or HelmRelease that the object, or what made it, belongs to."""
    current: Object | None = obj
    for _ in range(_HIGHEST):
        if current is None:
            return None
        labels = current["metadata"].get("labels") or {}
        for group, kind in _OWNERS:
            if name := labels.get(f"{group}/name"):
                namespace = labels.get(f"{group}/namespace", "")
                return kind, await _existing(client, kind, namespace, name)
        current = await _maker(client, resources, current)
    return None


async def _maker(client: Client, resources: Resources, obj: Object) -> Object | None:
    """What the first owner reference that can be followed leads to."""
    for reference in obj["metadata"].get("ownerReferences") or ():
        resource = resources.of(reference["apiVersion"], reference["kind"])
        namespace = obj["metadata"].get("namespace", "") if resource.namespaced else ""
        if found := await client.get(resource, namespace, reference["name"]):
            return found
    return None


async def _source(client: Client, origin: Origin) -> Origin | None:
    """What a Kustomization or HelmRelease is made of: of a release the chart, then its source."""
    obj, name = origin.obj, origin.kind.name
    if name not in ("Kustomization", "HelmRelease", "HelmChart"):
        return None
    status = obj.get("status") or {}
    if name == "HelmRelease" and (chart := status.get("helmChart")):
        namespace, _, chart_name = chart.rpartition("/")
        kind = KINDS["HelmChart"]
        return Origin(kind, await _existing(client, kind, namespace, chart_name))
    reference = source_of(obj)
    known = KINDS.get(reference.get("kind", ""))
    if known is None:
        return None
    found = await _existing(client, known, reference["namespace"], reference["name"])
    return Origin(known, found)


async def _existing(client: Client, kind: Kind, namespace: str, name: str) -> Object:
    obj = await client.get(kind.resource, namespace, name)
    if obj is None:
        raise Problem(f"failed to find {kind.name}: there is no {namespace}/{name} any more")
    return obj
