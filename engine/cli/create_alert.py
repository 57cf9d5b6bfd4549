"""`lockstep create alert`: whom to tell about which objects."""

import click

from engine.cli.applying import Making, filled, finish, reference, with_making
from engine.cli.go_flags import FluxCommand, listed
from engine.cli.help import examples
from engine.cli.target import asynchronous


@click.command(
    "alert",
    cls=FluxCommand,
    epilog=examples(
        "lockstep create alert failures --provider-ref slack --event-severity error "
        "--event-source 'Kustomization/*' --export",
        "lockstep create alert apps --provider-ref slack "
        "--event-source Kustomization/apps,GitRepository/fleet",
    ),
)
@click.option("--provider-ref", required=True, help="Name of the Provider to tell.")
@click.option(
    "--event-severity",
    type=click.Choice(["info", "error"]),
    default=None,
    help="`error` leaves out everything but errors.",
)
@click.option(
    "--event-source",
    multiple=True,
    required=True,
    metavar="KIND/NAME[.NAMESPACE]",
    help="Whose events are told; `*` as the name: all of the kind.",
)
@with_making
@asynchronous
async def command(
    making: Making, provider_ref: str, event_severity: str | None, event_source: tuple[str, ...]
) -> None:
    """Make an Alert."""
    sources = [reference(text, "--event-source") for text in listed(event_source)]
    spec = {
        "providerRef": {"name": provider_ref},
        "eventSeverity": event_severity,
        "eventSources": [filled(each) for each in sources],
    }
    await finish(making, making.obj("Alert", spec))
