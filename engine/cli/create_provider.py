"""`lockstep create alert-provider`: a service that alerts go to."""

from typing import get_args

import click

from engine.api.notification import ProviderType
from engine.cli import steps
from engine.cli.applying import Making, finish, with_making
from engine.cli.go_flags import FluxCommand
from engine.cli.help import examples
from engine.cli.target import asynchronous

SERVED = ("generic", "generic-hmac", "slack", "msteams", "alertmanager", "github", "gitlab")
"""Types that this version serves: a test compares them with the plugins."""


@click.command(
    "alert-provider",
    cls=FluxCommand,
    epilog=examples(
        "lockstep create alert-provider slack --type slack --channel general "
        "--secret-ref slack-token --export",
        "lockstep create alert-provider status --type github "
        "--address https://github.com/org/fleet --secret-ref github-token",
    ),
)
@click.option(
    "--type",
    "type_",
    type=click.Choice(get_args(ProviderType)),
    required=True,
    metavar="TYPE",
    help=f"Which service it is: {', '.join(SERVED)}; the others of Flux only with its own "
    "notification-controller.",
)
@click.option("--channel", default="", help="Where to post to, of a chat.")
@click.option("--username", default="", help="Name to post under.")
@click.option("--address", default="", help="Of the repository, the chat or the webhook.")
@click.option("--secret-ref", default="", help="Name of the Secret with the token or address.")
@with_making
@asynchronous
async def command(making: Making, type_: str, secret_ref: str, **said: str) -> None:
    """Make a Provider, which alerts go to."""
    if type_ not in SERVED:
        steps.warning(f"type {type_} is only served by Flux's own notification-controller")
    spec = {"type": type_, **said, "secretRef": {"name": secret_ref}}
    await finish(making, making.obj("Provider", spec))
