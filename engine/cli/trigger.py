"""`lockstep trigger receiver`: call the webhook of a Receiver, as a CI job does.

It needs no cluster: the path follows from name, namespace and token.
Source: flux-behaviour 6.4; flux2 cmd/flux/trigger_receiver.go.
"""

import hmac
import os
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.metadata import version
from random import Random
from typing import Any

import anyio
import click

from engine.api.duration import format_duration
from engine.cli import steps
from engine.cli.flags import DURATION
from engine.cli.go_flags import FluxCommand
from engine.cli.help import examples
from engine.cli.problems import Problem
from engine.cli.target import asynchronous, with_timeout, within
from engine.cluster.outbound import Answer, Http, Unanswered, outbound
from engine.runtime import SystemClock

_RETRIED = frozenset({404, 408, 429, 500, 502, 503, 504})
_TOKEN_VARIABLE = "FLUX_TRIGGER_RECEIVER_OIDC_TOKEN"  # noqa: S105 - the name of a variable


@dataclass(frozen=True, slots=True)
class Call:
    """A request to a webhook."""

    url: str
    headers: dict[str, str] = field(repr=False)
    payload: bytes = field(repr=False)
    retries: int
    delay: float


@click.command(
    "receiver",
    cls=FluxCommand,
    epilog=examples(
        'lockstep trigger receiver ci --token "$TOKEN" --url https://hooks.example.com',
        'lockstep trigger receiver ci --type generic-hmac --token "$TOKEN" '
        '--url https://hooks.example.com --payload \'{"image": "web:1.2.3"}\'',
    ),
)
@click.argument("name")
@click.option("--url", required=True, help="Where the webhooks are, without /hook/.")
@click.option(
    "--token",
    default="",
    envvar="LOCKSTEP_TOKEN",
    show_envvar=True,
    help="The token of its Secret.",
)
@click.option(
    "--type",
    "type_",
    type=click.Choice(["generic", "generic-hmac", "generic-oidc"]),
    default="generic",
    show_default=True,
    help="Of the Receiver.",
)
@click.option("--oidc-token", default="", help=f"For generic-oidc; or variable {_TOKEN_VARIABLE}.")
@click.option("--payload", default="{}", show_default=True, help="The body, JSON.")
@click.option(
    "--retries",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="How often it is tried again.",
)
@click.option(
    "--retry-delay", type=DURATION, default="10s", show_default=True, help="Between two tries."
)
@click.option(
    "-n",
    "--namespace",
    default="flux-system",
    show_default=True,
    envvar="FLUX_SYSTEM_NAMESPACE",
    help="Namespace of the Receiver.",
)
@with_timeout("5m")
@asynchronous
async def receiver(name: str, namespace: str, seconds: float, **given: Any) -> None:
    """Call the webhook of a Receiver.

    It is tried again while nobody answers, and where the path is not known yet (404).
    """
    call = _call(name, namespace, **given)
    steps.doing(f"triggering Receiver {namespace}/{name}")
    with within(seconds):
        await _made(call)
    steps.done(f"Receiver {namespace}/{name} triggered")


def _call(name: str, namespace: str, *, url: str, token: str, type_: str, **given: Any) -> Call:
    """What is asked for.  Raises click.UsageError."""
    proof = given["oidc_token"] or os.environ.get(_TOKEN_VARIABLE, "")
    _check(type_, token, given["oidc_token"], proof)
    body = given["payload"].encode()
    headers = _headers(type_, token, proof, body)
    address = url.rstrip("/") + webhook_path(token, name, namespace)
    return Call(address, headers, body, given["retries"], given["retry_delay"])


def webhook_path(token: str, name: str, namespace: str) -> str:
    """Where a Receiver is called: not guessable without the token.

    Source: notification-controller api/v1, GetWebhookPath.
    """
    return f"/hook/{sha256(f'{token}{name}{namespace}'.encode()).hexdigest()}"


def _check(type_: str, token: str, oidc_token: str, proof: str) -> None:
    """Raises click.UsageError."""
    if type_ == "generic-oidc":
        if token:
            raise click.UsageError(f"--token must not be set for --type={type_}: it has no secret")
        if not proof:
            raise click.UsageError(f"no OIDC token provided: set --oidc-token or {_TOKEN_VARIABLE}")
    elif not token:
        raise click.UsageError(f"--token is required for --type={type_}")
    elif oidc_token:
        raise click.UsageError("--oidc-token can only be set for --type=generic-oidc")


def _headers(type_: str, token: str, proof: str, body: bytes) -> dict[str, str]:
    """What proves that the call is genuine."""
    agent = f"lockstep/{version('lockstep')}"
    headers = {"Content-Type": "application/json", "User-Agent": agent}
    if type_ == "generic-hmac":
        signature = hmac.new(token.encode(), body, sha256).hexdigest()
        headers["X-Signature"] = f"sha256={signature}"
    elif type_ == "generic-oidc":
        headers["Authorization"] = f"Bearer {proof}"
    return headers


async def _made(call: Call) -> None:
    """Returns once the webhook took it.  Raises Problem."""
    clock = SystemClock()
    async with outbound(clock, Random(), os.environ) as http:  # noqa: S311 - jitter
        for attempt in range(1, call.retries + 2):
            problem, may_help = "", True
            try:
                answer = await _sent(http, call)
            except Unanswered as error:
                problem = str(error)
            else:
                if 200 <= answer.status < 300:
                    return
                problem, may_help = _refusal(answer), answer.status in _RETRIED
            if not may_help or attempt > call.retries:
                raise Problem(problem)
            pause = format_duration(call.delay)
            steps.waiting(f"{problem}; retrying in {pause} ({attempt}/{call.retries})")
            await anyio.sleep(call.delay)


async def _sent(http: Http, call: Call) -> Answer:
    """Once: how often it is tried again is this command's business."""
    return await http.send("POST", call.url, headers=call.headers, body=call.payload, tries=1)


def _refusal(answer: Answer) -> str:
    """What the server said; the path, which is as good as the token, is not repeated."""
    text = " ".join(answer.body[:200].decode(errors="replace").split())
    hint = {
        404: "; is the token right, and the Receiver ready? `lockstep get receivers`",
        503: "; it is suspended or not ready: `lockstep get receivers`",
    }.get(answer.status, "")
    return f"the webhook answered {answer.status}{f': {text}' if text else ''}{hint}"


@click.group(
    "trigger",
    epilog=examples(
        'lockstep trigger receiver ci --token "$TOKEN" --url https://hooks.example.com'
    ),
)
def command() -> None:
    """Call what waits for calls."""


command.add_command(receiver)
