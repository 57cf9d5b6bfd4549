"""`lockstep diff kustomization`: what applying local files would change in the cluster.

Source: flux2 cmd/flux/diff_kustomization.go (flags, exit status).
"""

from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from engine.api.kustomize import Kustomization
from engine.cli import steps
from engine.cli.comparing import Compared, compared
from engine.cli.diff_output import with_form, written
from engine.cli.flags import settings_of, with_some_settings
from engine.cli.go_flags import FluxCommand, listed
from engine.cli.help import examples
from engine.cli.nesting import inner_builds, with_building
from engine.cli.places import Place, artifact_of, commit_at, folder_at
from engine.cli.problems import Problem, Undecided, line_of, undecided
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
from engine.cli.whereabouts import client_of
from engine.cluster import ApiError, Client
from engine.cluster.connect import InvalidKubeconfig
from engine.errors import BuildFailed
from engine.objects.ref import Object
from engine.settings import Settings

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


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
@click.option("--ignore-not-found", is_flag=True, help="Take one that is new from the file.")
@with_building(strict=Settings().strict_substitutions)
@click.option("--progress-bar/--no-progress-bar", default=True, help="Say what is done meanwhile.")
@with_form
@with_some_settings(
    "tenancy", "default_service_account", "field_manager", "override_manager", "prune_brake"
)
@with_timeout("5m")
@with_target
@click.pass_context
def command(ctx: click.Context, /, target: Target, name: str, **how: Any) -> None:
    """Show what applying a Kustomization would change in the cluster, field by field.

    It is rendered and planned as the engine does, and shown to the API server in dry-runs: nothing
    is written.  Values of Secrets are masked.  Exit status: 0 nothing would change, 1 something
    would, 2 that is not known.  If the engine runs with other settings than by default, give them
    here, too.
    """
    with undecided():
        if how["commit"] and how["path"] is None:
            raise click.UsageError("--ref needs --path")
        if how["ignore_not_found"] and how["kustomization_file"] is None:
            raise click.UsageError("--ignore-not-found needs --kustomization-file")
        found = asynchronous(_all)(target, name, how)
        click.echo(written(found, how["form"]), nl=False)
        refused = [each.hidden(one.why) for each in found for one in each.refusals]
        if refused and how["form"] in ("flux", "brief"):
            raise Undecided("\n".join(refused))
    ctx.exit(2 if refused else int(any(each.is_change for each in found)))


class Unreached(Problem):
    """The cluster of a Kustomization cannot be asked from here."""


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
            if how["progress_bar"]:
                steps.doing(f"comparing Kustomization {target.namespace}/{name} with the cluster")
            first = await made(ks, await _place(ks, asked), reading(client), asked.building)
            found = [await _compared(first, live, asked)]
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
    """The Kustomizations in a build, and in theirs.  New ones are not there yet."""
    found: list[Compared] = []
    async with aclosing(inner_builds(outer, asked.how, is_lenient=True)) as builds:
        async for one in builds:
            namespace, name = one.ks.metadata.namespace, one.ks.metadata.name
            live = await live_kustomization(asked.client, namespace, name)
            try:
                found.append(await _compared(one, live, asked))
            except Unreached as problem:
                steps.warning(f"Kustomization/{namespace}/{name} is left out: {problem}")
    return found


async def _compared(made: Made, live: Object | None, asked: _Asked) -> Compared:
    """Compared with the cluster that its objects are in.  Raises Unreached."""
    client = asked.client
    async with AsyncExitStack() as stack:
        try:
            there = await stack.enter_async_context(client_of(made.ks, client))
            if there is not client:
                await there.document("/version")
        except (ApiError, InvalidKubeconfig, BuildFailed) as error:
            raise Unreached(
                f"the objects of '{made.ks.metadata.name}' are in another cluster "
                f"(spec.kubeConfig), which cannot be asked from here: {line_of(error)}; compare "
                "there, with --kubeconfig and a --kustomization-file without spec.kubeConfig"
            ) from error
        return await compared(made, live, there, client, settings_of(asked.how).effective)
