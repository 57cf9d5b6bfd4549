"""`lockstep build kustomization`: render a Kustomization of the cluster from local files.

Source: flux2 cmd/flux/build_kustomization.go (flags, what is printed).
"""

from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import Any

import click

from engine.cli import steps
from engine.cli.building import owner_of, stream_of
from engine.cli.fetching import warn_of_moving
from engine.cli.go_flags import FluxCommand, listed
from engine.cli.help import examples
from engine.cli.nesting import inner_builds, with_building
from engine.cli.own_keys import warn_of_encrypted
from engine.cli.places import folder_at
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
)
from engine.cli.target import Target, asynchronous, with_target, with_timeout, within
from engine.objects.ref import Object  # noqa: TC001 - not worth a block of its own
from engine.reconcile.variables import Read  # noqa: TC001 - as above

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


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
@with_building(strict=False)
@click.option("--dry-run", is_flag=True, help="Ask no cluster; needs --kustomization-file.")
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
        if each is not results[0] and each.ks.spec.kube_config is not None:
            title = f"{each.ks.metadata.namespace}/{each.ks.metadata.name}"
            steps.warning(f"Kustomization {title} is for another cluster")
        warn_of_moving(each.rendered.inputs)
        warn_of_encrypted(each.rendered, each.ks)
        text = stream_of(each.rendered, owner_of(each.ks), how["show_secrets"], each.secrets)
        click.echo(text, nl=False)


async def _all(target: Target, name: str, how: dict[str, Any]) -> list[Made]:
    """What is rendered: the Kustomization, and those in it if that is asked for."""
    place = folder_at(how["path"], None, listed(how["ignore_paths"]))
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
                async with aclosing(inner_builds(first, how)) as builds:
                    found += [one async for one in builds]
            return found
