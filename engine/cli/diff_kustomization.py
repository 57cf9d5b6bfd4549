"""`lockstep diff kustomization`: what applying local files would change in the cluster.

Source: flux2 cmd/flux/diff_kustomization.go (flags, exit status).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from engine.api.kustomize import Kustomization
from engine.cli import steps
from engine.cli.build_kustomization import nested, place_of
from engine.cli.comparing import Compared, compared
from engine.cli.diff_output import FORMS, written
from engine.cli.go_flags import FluxCommand, folders_of_sources, listed
from engine.cli.help import examples
from engine.cli.places import Place, artifact_of, commit_at, folder_at
from engine.cli.problems import Problem, Undecided, undecided
from engine.cli.rendering import (
    How,
    Made,
    decoded,
    filed_kustomization,
    live_kustomization,
    made,
    reading,
)
from engine.cli.target import Target, asynchronous, with_target, with_timeout, within
from engine.cluster import Client
from engine.objects.ref import Object

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(
    "kustomization",
    cls=FluxCommand,
    epilog=examples(
        "lockstep diff kustomization apps --path ./apps/production",
        "lockstep diff ks apps --path ./apps --ref origin/main",
        "lockstep diff ks apps -o json",
        "lockstep diff ks apps --path ./apps --kustomization-file apps.yaml --recursive "
        "--local-sources GitRepository/flux-system/flux-system=.",
    ),
)
@click.argument("name")
@click.option(
    "--path",
    type=_FOLDER,
    help="Folder that stands for spec.path.  Without it: what the source holds now, if its "
    "artifact can be fetched from here.",
)
@click.option("--ref", "commit", default="", help="Take PATH from this commit, branch or tag.")
@click.option("--kustomization-file", type=_FILE, help="Kustomization, if not the cluster's.")
@click.option("--ignore-not-found", is_flag=True, help="Take one that is new from the file.")
@click.option("--recursive", "-r", is_flag=True, help="Compare the Kustomizations in it, too.")
@click.option(
    "--local-sources",
    multiple=True,
    metavar="KIND/NAMESPACE/NAME=FOLDER,...",
    help="Folders that stand for sources, for --recursive.",
)
@click.option("--ignore-paths", multiple=True, help="Files to leave out, as in a .gitignore.")
@click.option(
    "--strict-substitute",
    is_flag=True,
    help="An undefined variable without default is an error.",
)
@click.option("--progress-bar/--no-progress-bar", default=True, help="Say what is done meanwhile.")
@click.option("--in-memory-build", is_flag=True, help="As always here: no file is written.")
@click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice(list(FORMS)),
    default="text",
    show_default=True,
    help="flux: as Flux's CLI prints it.",
)
@with_timeout("5m")
@with_target
@click.pass_context
def command(ctx: click.Context, /, target: Target, name: str, **how: Any) -> None:
    """Show what applying a Kustomization would change in the cluster, field by field.

    It is rendered and planned as the engine does, and shown to the API server in dry-runs: nothing
    is written.  Values of Secrets are masked.  Exit status: 0 nothing would change, 1 something
    would, 2 that is not known.
    """
    with undecided():
        if how["commit"] and how["path"] is None:
            raise click.UsageError("--ref needs --path")
        if how["ignore_not_found"] and how["kustomization_file"] is None:
            raise click.UsageError("--ignore-not-found needs --kustomization-file")
        found = asynchronous(_all)(target, name, how)
        click.echo(written(found, how["form"]), nl=False)
        refused = [one for each in found for one in each.refusals]
        if refused and how["form"] in ("flux", "brief"):
            raise Undecided("\n".join(one.why for one in refused))
    ctx.exit(2 if refused else int(any(each.is_change for each in found)))


@dataclass(frozen=True, slots=True)
class _Asked:
    """The cluster, and the options of the command."""

    client: Client
    how: dict[str, Any]

    @property
    def building(self) -> How:
        return How(self.how["strict_substitute"])


async def _all(target: Target, name: str, how: dict[str, Any]) -> list[Compared]:
    """The Kustomization compared, then those in it if that is asked for."""
    with within(how["seconds"]):
        async with target.client() as client:
            asked = _Asked(client, how)
            live = await live_kustomization(client, target.namespace, name)
            ks = decoded(_wanted(live, target, name, how))
            _check_here(ks)
            if how["progress_bar"]:
                steps.doing(f"comparing Kustomization {target.namespace}/{name} with the cluster")
            first = await made(ks, await _place(ks, asked), reading(client), asked.building)
            found = [await compared(first, live, client)]
            if how["recursive"]:
                found += await _inner(first, asked)
            return found


def _wanted(live: Object | None, target: Target, name: str, how: dict[str, Any]) -> Object:
    """The Kustomization as it is wanted."""
    file = how["kustomization_file"]
    if live is None and not how["ignore_not_found"]:
        raise Problem(
            f"there is no Kustomization '{target.namespace}/{name}'; give another namespace with "
            "-n, or --kustomization-file with --ignore-not-found for one that is new"
        )
    if file is None:
        return live or {}
    return filed_kustomization(file, target.namespace, name)


async def _place(ks: Kustomization, asked: _Asked) -> Place:
    path, ignored = asked.how["path"], listed(asked.how["ignore_paths"])
    if path is None:
        return await artifact_of(ks, asked.client)
    if asked.how["commit"]:
        return commit_at(asked.how["commit"], path, ignored)
    return folder_at(path, None, ignored)


async def _inner(outer: Made, asked: _Asked) -> list[Compared]:
    """The Kustomizations in a build, and in theirs; each once.  New ones are not there yet."""
    sources = folders_of_sources(asked.how["local_sources"])
    seen = {(outer.ks.metadata.namespace, outer.ks.metadata.name)}
    found: list[Compared] = []
    waiting = [outer]
    for each in waiting:
        for inner in nested(each):
            namespace, name = key = inner.metadata.namespace, inner.metadata.name
            if key in seen:
                continue
            seen.add(key)
            if inner.spec.kube_config is not None:
                steps.warning(f"Kustomization/{namespace}/{name} is for another cluster: left out")
                continue
            place = place_of(inner, sources, listed(asked.how["ignore_paths"]))
            one = await made(inner, place, reading(asked.client), asked.building)
            live = await live_kustomization(asked.client, namespace, name)
            found.append(await compared(one, live, asked.client))
            waiting.append(one)
    return found


def _check_here(ks: Kustomization) -> None:
    """Raises Problem if its objects are in another cluster."""
    if ks.spec.kube_config is not None:
        raise Problem(
            f"the objects of '{ks.metadata.name}' are in another cluster (spec.kubeConfig), which "
            "is not asked; compare there, with --kubeconfig and --kustomization-file"
        )
