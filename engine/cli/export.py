"""`lockstep export`: objects as YAML, as they could be applied again.

Source: flux-behaviour section 11; flux2 cmd/flux/export*.go.
"""

from typing import Any

import click

from engine.cli import kinds
from engine.cli.completing import complete_kind
from engine.cli.finding import listed, named
from engine.cli.go_flags import FluxCommand
from engine.cli.help import examples
from engine.cli.kinds import Kind
from engine.cli.problems import Problem
from engine.cli.target import Target, asynchronous, with_target, with_timeout, within
from engine.cluster import Client, Resource
from engine.objects.manifests import dump
from engine.objects.ref import Object

_SECRETS = Resource("", "v1", "Secret", "secrets", namespaced=True)
_KEPT = ("name", "namespace", "labels", "annotations")


@click.command(
    "export",
    cls=FluxCommand,
    epilog=examples(
        "lockstep export kustomization apps > apps.yaml",
        "lockstep export source git --all > sources.yaml",
        "lockstep export source git private --with-credentials",
        "lockstep export alert --all -n team-a",
    ),
)
@click.argument("words", metavar="KIND [NAME]", nargs=-1, shell_complete=complete_kind)
@click.option("--all", "everything", is_flag=True, help="All objects of the namespace.")
@click.option("--with-credentials", is_flag=True, help="Also the Secret that a source names.")
@with_timeout("5m")
@with_target
@asynchronous
async def command(
    target: Target,
    words: tuple[str, ...],
    everything: bool,
    with_credentials: bool,
    seconds: float,
) -> None:
    """Print objects as YAML: what people wrote, without state.

    KIND is as for `get`.  --with-credentials shows secret values in clear: keep the output safe.
    """
    kind, names = kinds.parse_one(words)
    if (len(names) == 1) == everything or len(names) > 1:
        raise click.UsageError("name is required: export KIND NAME, or export KIND --all")
    if with_credentials and kind.family != "source":
        raise click.UsageError("--with-credentials is for sources")
    with within(seconds):
        async with target.client() as client:
            for obj in await _chosen(client, kind, target.namespace, names):
                echo(exported(kind, obj))
                if with_credentials:
                    await _echo_secret(client, obj)


def exported(kind: Kind, obj: Object) -> dict[str, Any]:
    """The object without what the cluster added to it."""
    metadata = obj["metadata"]
    return {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "metadata": {key: metadata[key] for key in _KEPT if metadata.get(key)},
        "spec": obj.get("spec") or {},
    }


def echo(obj: Object) -> None:
    """Prints one document."""
    click.echo(f"---\n{dump(obj)}", nl=False)


async def _chosen(
    client: Client, kind: Kind, namespace: str, names: tuple[str, ...]
) -> list[Object]:
    if names:
        return [await named(client, kind, namespace, names[0])]
    found = await listed(client, kind, namespace)
    if not found:
        raise Problem(f'no {kind.name} objects found in "{namespace}" namespace')
    return list(found)


async def _echo_secret(client: Client, obj: Object) -> None:
    """Prints the Secret that a source names, if it names one."""
    name = ((obj.get("spec") or {}).get("secretRef") or {}).get("name")
    if not name:
        return
    namespace = obj["metadata"]["namespace"]
    secret = await client.get(_SECRETS, namespace, name)
    if secret is None:
        title = f"{obj['kind']} {namespace}/{obj['metadata']['name']}"
        raise Problem(f"failed to retrieve secret {name}, which {title} names: it is not there")
    given = {key: secret[key] for key in ("data", "type") if secret.get(key)}
    metadata = {"name": name, "namespace": namespace}
    echo({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, **given})
