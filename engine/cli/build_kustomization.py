"""`lockstep build kustomization`: render a Kustomization of the cluster from local files.

Source: flux2 cmd/flux/build_kustomization.go (flags, what is printed).
"""

from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from engine.api.kustomize import Kustomization
from engine.cli import steps
from engine.cli.building import is_flux_kustomization, owner_of, stream_of
from engine.cli.fetching import warn_of_moving
from engine.cli.go_flags import FluxCommand, folders_of_sources, listed
from engine.cli.help import examples
from engine.cli.own_keys import warn_of_encrypted
from engine.cli.places import Place, folder_at
from engine.cli.problems import Problem
from engine.cli.rendering import (
    How,
    Made,
    decoded,
    filed_kustomization,
    live_kustomization,
    made,
    reading,
    reading_nothing,
    source_key,
)
from engine.cli.target import Target, asynchronous, with_target, with_timeout, within
from engine.objects.ref import Object  # noqa: TC001 - not worth a block of its own
from engine.reconcile.variables import Read

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(
    "kustomization",
    cls=FluxCommand,
    epilog=examples(
        "lockstep build kustomization apps --path ./apps/production",
        "lockstep build ks apps --path ./apps --kustomization-file apps.yaml --dry-run",
        "lockstep build ks apps --path ./clusters/prod --recursive "
        "--local-sources GitRepository/flux-system/flux-system=.",
    ),
)
@click.argument("name")
@click.option("--path", required=True, type=_FOLDER, help="Folder that stands for spec.path.")
@click.option("--kustomization-file", type=_FILE, help="Kustomization, if not the cluster's.")
@click.option("--dry-run", is_flag=True, help="Ask no cluster; needs --kustomization-file.")
@click.option(
    "--strict-substitute",
    is_flag=True,
    help="An undefined variable without default fails the build.",
)
@click.option("--recursive", "-r", is_flag=True, help="Render the Kustomizations in it, too.")
@click.option(
    "--local-sources",
    multiple=True,
    metavar="KIND/NAMESPACE/NAME=FOLDER,...",
    help="Folders that stand for sources, for --recursive.",
)
@click.option("--ignore-paths", multiple=True, help="Files to leave out, as in a .gitignore.")
@click.option("--in-memory-build", is_flag=True, help="As always here: no file is written.")
@click.option("--show-secrets", is_flag=True, help="Print values of Secrets, too.")
@with_timeout("5m")
@with_target
def command(target: Target, name: str, **how: Any) -> None:
    """Render a Kustomization of the cluster, or of a file, from local files.

    The objects are printed as YAML, with owner labels; the values of Secrets are masked.
    """
    if how["dry_run"] and how["kustomization_file"] is None:
        raise click.UsageError("--dry-run needs --kustomization-file")
    results = asynchronous(_all)(target, name, how)
    for each in results:
        warn_of_moving(each.rendered.inputs)
        warn_of_encrypted(each.rendered, each.ks)
        text = stream_of(each.rendered, owner_of(each.ks), how["show_secrets"], each.secrets)
        click.echo(text, nl=False)


async def _all(target: Target, name: str, how: dict[str, Any]) -> list[Made]:
    """What is rendered: the Kustomization, and those in it if that is asked for."""
    place = folder_at(how["path"], None, listed(how["ignore_paths"]))
    sources = folders_of_sources(how["local_sources"])
    file = how["kustomization_file"]
    with within(how["seconds"]):
        async with AsyncExitStack() as stack:
            read: Read = reading_nothing
            live: Object | None = None
            if not how["dry_run"]:
                client = await stack.enter_async_context(target.client())
                read = reading(client)
                live = await live_kustomization(client, target.namespace, name)
                if live is None:
                    raise Problem(
                        f"there is no Kustomization '{target.namespace}/{name}'; give another "
                        "namespace with -n, or --kustomization-file with --dry-run"
                    )
            filed = filed_kustomization(file, target.namespace, name) if file else None
            ks = decoded(filed or live or {})
            first = await made(ks, place, read, How(how["strict_substitute"]))
            found = [first]
            if how["recursive"]:
                found += await _inner(first, sources, read, how)
            return found


async def _inner(
    outer: Made, sources: dict[str, Path], read: Read, how: dict[str, Any]
) -> list[Made]:
    """What the Kustomizations in a build make, those in them too; each once."""
    seen = {_key(outer.ks)}
    found: list[Made] = []
    waiting = [outer]
    for each in waiting:
        for inner in nested(each):
            if _key(inner) in seen:
                continue
            seen.add(_key(inner))
            place = place_of(inner, sources, listed(how["ignore_paths"]))
            one = await made(inner, place, read, How(how["strict_substitute"]))
            found.append(one)
            waiting.append(one)
    return found


def nested(outer: Made) -> list[Kustomization]:
    """The Kustomizations among the objects of a build."""
    objects = (each.obj for each in outer.rendered.objects)
    return [decoded(obj) for obj in objects if is_flux_kustomization(obj)]


def place_of(ks: Kustomization, sources: dict[str, Path], ignored: tuple[str, ...]) -> Place:
    """The files of a Kustomization in the folder that stands for its source.  Raises Problem."""
    folder = sources.get(source_key(ks))
    title = f"Kustomization {ks.metadata.namespace}/{ks.metadata.name}"
    if folder is None:
        raise Problem(f"{title}: name a folder with --local-sources {source_key(ks)}=FOLDER")
    place = folder_at(folder, folder, ignored)
    if ks.spec.kube_config is not None:
        steps.warning(f"{title} is for another cluster")
    return replace(place, path=ks.spec.path)


def _key(ks: Kustomization) -> tuple[str, str]:
    return ks.metadata.namespace, ks.metadata.name
