"""`lockstep tree`: what a Kustomization has applied, and what that has applied in turn.

Source: flux-behaviour section 11; flux2 cmd/flux/tree_kustomization.go.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import click
import orjson

from engine.api.meta import HELM_GROUP, KUSTOMIZE_GROUP
from engine.cli import steps
from engine.cli.completing import complete_kind
from engine.cli.finding import named
from engine.cli.go_flags import FluxCommand
from engine.cli.help import examples
from engine.cli.kinds import KINDS, parse_one
from engine.cli.releases import objects_of
from engine.cli.target import Target, asynchronous, with_target, with_timeout, within
from engine.cluster import Client
from engine.objects.manifests import dump
from engine.objects.ref import Object, Ref

_FLUX = "toolkit.fluxcd.io"
_KUSTOMIZATION = KINDS["Kustomization"]


@dataclass(slots=True)
class Node:
    """An object, and what it has applied."""

    ref: Ref
    below: list["Node"] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """As Flux writes it as JSON: the keys of cli-utils' ObjMetadata."""
        ref = self.ref
        group_kind = {"Group": ref.group, "Kind": ref.kind}
        resource = {"Namespace": ref.namespace, "Name": ref.name, "GroupKind": group_kind}
        below = [each.plain() for each in self.below]
        return {"resource": resource, **({"resources": below} if below else {})}

    def lines(self) -> Iterator[str]:
        """As text, the way `tree` draws folders."""
        yield str(self.ref)
        for each in self.below:
            is_last = each is self.below[-1]
            first, *others = each.lines()
            yield ("└── " if is_last else "├── ") + first
            yield from (("    " if is_last else "│   ") + line for line in others)


@click.command(
    "tree",
    cls=FluxCommand,
    epilog=examples(
        "lockstep tree kustomization flux-system",
        "lockstep tree ks flux-system --compact",
        "lockstep tree ks apps -o json",
    ),
)
@click.argument("words", metavar="kustomization NAME", nargs=-1, shell_complete=complete_kind)
@click.option("--compact", is_flag=True, help="Only objects of Flux's own kinds.")
@click.option("-o", "--output", type=click.Choice(["json", "yaml"]), help="Another form.")
@with_timeout("5m")
@with_target
@asynchronous
async def command(
    target: Target, words: tuple[str, ...], compact: bool, output: str | None, seconds: float
) -> None:
    """Show what a Kustomization has applied, down to the last."""
    kind, names = parse_one(words) if words else (None, ())
    if kind is not _KUSTOMIZATION or len(names) != 1:
        raise click.UsageError("kustomization name is required: lockstep tree kustomization NAME")
    with within(seconds):
        async with target.client() as client:
            root = await named(client, kind, target.namespace, names[0])
            tree = await _grown(client, root, compact, frozenset())
    if output == "json":
        click.echo(orjson.dumps(tree.plain(), option=orjson.OPT_INDENT_2))
    elif output == "yaml":
        click.echo(dump(tree.plain()))
    else:
        click.echo("\n".join(tree.lines()) + "\n")


async def _grown(client: Client, ks: Object, compact: bool, above: frozenset[Ref]) -> Node:
    """above: the Kustomizations on the way here: two may hold each other."""
    own = Ref.of({**ks, "apiVersion": _KUSTOMIZATION.api_version, "kind": "Kustomization"})
    node, above = Node(own), above | {own}
    is_remote = bool((ks.get("spec") or {}).get("kubeConfig"))
    for ref in _inventory(ks):
        if ref == own or (compact and _FLUX not in ref.group):
            continue
        below = Node(ref)
        node.below.append(below)
        if is_remote or ref in above:
            continue
        if (ref.group, ref.kind) == (KUSTOMIZE_GROUP, "Kustomization"):
            below.below = await _below(client, ref, compact, above)
        elif (ref.group, ref.kind) == (HELM_GROUP, "HelmRelease"):
            found = await objects_of(client, ref)
            below.below = [Node(each) for each in found if not compact or _FLUX in each.group]
    return node


async def _below(client: Client, ref: Ref, compact: bool, above: frozenset[Ref]) -> list[Node]:
    """What a Kustomization of an inventory has applied."""
    ks = await client.get(_KUSTOMIZATION.resource, ref.namespace, ref.name)
    if ks is None:
        steps.warning(f"{ref} is in an inventory, but not in the cluster")
        return []
    return (await _grown(client, ks, compact, above)).below


def _inventory(ks: Object) -> Iterator[Ref]:
    """The objects in the order in which they were applied."""
    inventory = (ks.get("status") or {}).get("inventory") or {}
    for entry in inventory.get("entries") or ():
        yield Ref.parse_id(entry["id"])
