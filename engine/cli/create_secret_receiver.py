"""`lockstep create secret receiver`: the token of a webhook, and where it will be called.

Source: flux2 cmd/flux/create_secret_receiver.go, pkg/manifestgen/sourcesecret.
"""

import secrets
from typing import Any, get_args

import click

from engine.api.meta import NOTIFICATION_GROUP
from engine.api.notification import ReceiverType
from engine.cli.applying import Making, filled, finish_secret, with_making
from engine.cli.go_flags import FluxCommand
from engine.cli.help import examples
from engine.cli.target import asynchronous
from engine.cli.trigger import webhook_path

_TOKEN_BYTES = 32


@click.command(
    "receiver",
    cls=FluxCommand,
    epilog=examples(
        "lockstep create secret receiver github --type github --hostname hooks.example.com"
    ),
)
@click.option(
    "--type",
    "type_",
    type=click.Choice(get_args(ReceiverType)),
    required=True,
    metavar="TYPE",
    help="Of the Receiver: github, generic-hmac ...",
)
@click.option("--hostname", required=True, help="Of the webhook's address: hooks.example.com.")
@click.option("--token", default="", help="What both sides know; made at random without.")
@click.option("--email-claim", default="", help="For gcr: who calls.")
@click.option("--audience-claim", default="", help="For gcr: the audience, if not the address.")
@with_making
@asynchronous
async def command(making: Making, type_: str, hostname: str, token: str, **given: Any) -> None:
    """Make the Secret of a Receiver.

    The address in its annotation holds for a Receiver of the same name and namespace.
    """
    if type_ == "gcr" and not given["email_claim"]:
        raise click.UsageError("--email-claim is required for gcr receiver type")
    token = token or secrets.token_hex(_TOKEN_BYTES)
    url = f"https://{hostname}{webhook_path(token, making.name, making.target.namespace)}"
    data = {"token": token}
    if type_ == "gcr":
        data |= {"email": given["email_claim"], "audience": given["audience_claim"] or url}
    annotations = {f"{NOTIFICATION_GROUP}/webhook": url}
    await finish_secret(making, making.secret(filled(data), annotations), "receiver")
