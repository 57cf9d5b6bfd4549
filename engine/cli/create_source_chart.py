"""`lockstep create source chart`: a Helm chart out of another source.

Source: flux2 cmd/flux/create_source_chart.go.
"""

from typing import Any

import click

from engine.cli.applying import Making, finish_source, reference, with_making
from engine.cli.go_flags import FluxCommand
from engine.cli.help import examples
from engine.cli.signatures import verification, with_verification
from engine.cli.target import asynchronous

_SOURCES = ("HelmRepository", "GitRepository", "Bucket")


@click.command(
    "chart",
    cls=FluxCommand,
    epilog=examples(
        "lockstep create source chart web --source HelmRepository/charts --chart web "
        "--chart-version 1.x --export",
        "lockstep create source chart web --source GitRepository/fleet --chart ./charts/web",
    ),
)
@click.option("--source", required=True, metavar="KIND/NAME", help="What holds the chart.")
@click.option("--chart", required=True, help="Its name, or its folder in the source.")
@click.option("--chart-version", default="", help="A version, or a range of them.")
@click.option(
    "--reconcile-strategy",
    type=click.Choice(["ChartVersion", "Revision"]),
    default="ChartVersion",
    show_default=True,
    help="What makes a new artifact.",
)
@with_verification
@with_making
@asynchronous
async def command(making: Making, source: str, **given: Any) -> None:
    """Make a HelmChart."""
    spec = {
        "chart": given["chart"],
        "version": given["chart_version"],
        "sourceRef": _source(source),
        "interval": making.interval_text,
        "reconcileStrategy": given["reconcile_strategy"],
        "verify": verification(given),
    }
    await finish_source(making, making.obj("HelmChart", spec))


def _source(text: str) -> dict[str, str]:
    """Raises click.UsageError for kinds that hold no charts."""
    found = reference(text, "--source")
    known = next((each for each in _SOURCES if each.lower() == found["kind"].lower()), None)
    if known is None:
        raise click.UsageError(
            f"source kind '{found['kind']}' is not supported, must be one of: {', '.join(_SOURCES)}"
        )
    if "namespace" in found:
        raise click.UsageError(f"--source '{text}': a chart's source is in its own namespace")
    return {"kind": known, "name": found["name"]}
