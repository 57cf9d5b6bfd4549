"""`lockstep create receiver`: a webhook, and what it has reconciled."""

from typing import get_args

import click

from engine.api.notification import ReceiverType
from engine.cli import steps
from engine.cli.applying import Making, finish, reference, with_making
from engine.cli.go_flags import FluxCommand, listed
from engine.cli.help import examples
from engine.cli.target import asynchronous

ELSEWHERE = ("generic-oidc", "gcr")
"""Types that this version does not serve: a test compares them with the plugins."""
_SERVED = [each for each in get_args(ReceiverType) if each not in ELSEWHERE]


@click.command(
    "receiver",
    cls=FluxCommand,
    epilog=examples(
        "lockstep create receiver github --type github --event ping --event push "
        "--secret-ref webhook-token --resource GitRepository/fleet",
        "lockstep create receiver ci --type generic-hmac --secret-ref ci-token "
        "--resource GitRepository/fleet,Kustomization/apps --export",
    ),
)
@click.option(
    "--type",
    "type_",
    type=click.Choice(get_args(ReceiverType)),
    required=True,
    metavar="TYPE",
    help=f"Who calls: {', '.join(_SERVED)}; {' and '.join(ELSEWHERE)} only with Flux's own "
    "notification-controller.",
)
@click.option("--secret-ref", default="", help="Name of the Secret with the `token`.")
@click.option("--event", multiple=True, help="Only these events; none: all.")
@click.option(
    "--resource", multiple=True, required=True, metavar="KIND/NAME", help="What to reconcile."
)
@with_making
@asynchronous
async def command(
    making: Making,
    type_: str,
    secret_ref: str,
    event: tuple[str, ...],
    resource: tuple[str, ...],
) -> None:
    """Make a Receiver, which webhooks call."""
    if not secret_ref:
        raise click.UsageError("secret ref is required: `lockstep create secret receiver` makes it")
    if type_ in ELSEWHERE:
        steps.warning(f"type {type_} is only served by Flux's own notification-controller")
    spec = {
        "type": type_,
        "events": list(listed(event)),
        "resources": [reference(text, "--resource") for text in listed(resource)],
        "secretRef": {"name": secret_ref},
    }
    if ready := await finish(making, making.obj("Receiver", spec)):
        path = (ready.get("status") or {}).get("webhookPath", "")
        steps.done(f"generated webhook URL {path}")
