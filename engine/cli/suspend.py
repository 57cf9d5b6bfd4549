"""`lockstep suspend`: leave objects as they are, until they are resumed or a time is over."""

import getpass
from datetime import UTC, datetime
from typing import Any

import click

from engine.cli import steps, suspension
from engine.cli.completing import complete_kind
from engine.cli.flags import DURATION
from engine.cli.go_flags import FluxCommand
from engine.cli.help import examples
from engine.cli.kinds import Kind
from engine.cli.problems import Problem
from engine.cli.target import Target, asynchronous, with_target, with_timeout, within
from engine.plan.suspension import Suspension, instant
from engine.runtime import SystemClock

_ENDING = ("Kustomization", "GitRepository")
"""Kinds that this engine resumes."""


@click.command(
    "suspend",
    cls=FluxCommand,
    epilog=examples(
        "lockstep suspend ks apps",
        "lockstep suspend ks apps --for 2h --reason 'moving the database'",
        "lockstep suspend ks apps --until 2026-12-24T18:00:00Z",
        "lockstep suspend source git --all -n team-a",
    ),
)
@click.argument("words", metavar="KIND [NAME]...", nargs=-1, shell_complete=complete_kind)
@click.option("--all", "everything", is_flag=True, help="All objects of the namespace.")
@click.option("--reason", default="", help="Why: shown by `get`, and told when it ends.")
@click.option("--until", default="", help="When it is resumed by itself, RFC 3339.")
@click.option("--for", "lasting", type=DURATION, default=None, help="The same as a duration.")
@click.option("--by", default="", help="Who answers for it; by default you, if you say more.")
@with_timeout("5m")
@with_target
@asynchronous
async def command(
    target: Target, words: tuple[str, ...], everything: bool, seconds: float, **said: Any
) -> None:
    """Leave objects as they are until they are resumed.

    KIND is kustomization (ks), helmrelease (hr), `source git` (or oci, bucket, helm, chart),
    receiver, alert, alert-provider, or `image repository` (or policy, update).
    What drifts meanwhile is told in events, and corrected once they are resumed.
    """
    kind, names = suspension.parse(words, everything)
    wanted = _wanted(kind, **said)
    with within(seconds):
        async with target.client() as client:
            for obj in await suspension.chosen(client, kind, names, target.namespace):
                name = obj["metadata"]["name"]
                steps.doing(f"suspending {kind.name} {name} in {target.namespace} namespace")
                await suspension.write(client, kind, obj, wanted)
                steps.done(f"{kind.name} {name} {wanted}")


def _wanted(kind: Kind, *, lasting: float | None, reason: str, until: str, by: str) -> Suspension:
    """What the objects are to say.  Raises Problem, click.UsageError."""
    now = SystemClock().wall()
    if until and lasting is not None:
        raise click.UsageError("give --until or --for, not both")
    if lasting is not None:
        until = datetime.fromtimestamp(now + lasting, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if not (reason or until or by):
        return Suspension()
    if kind.name not in _ENDING:
        raise Problem(
            f"{kind.name} is not reconciled by this engine: it would neither show a reason nor be "
            "resumed by itself; leave --reason, --until, --for and --by out"
        )
    if until:
        _check_ahead(until, now)
    return Suspension(reason, until, by or _user())


def _user() -> str:
    """Who is logged in, "" where nobody is, as in a container without users."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # KeyError before Python 3.13
        return ""


def _check_ahead(until: str, now: float) -> None:
    try:
        end = instant(until)
    except ValueError as error:
        raise Problem(f"--until: {error}") from error
    if end <= now:
        raise Problem(f"--until: {until!r} is over already")
