"""`lockstep diff all`: what a commit would change, in every Kustomization, without a cluster."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import click

from engine.cli import steps
from engine.cli.building import Limits, completed_build
from engine.cli.comparing import Compared
from engine.cli.diff_output import with_form, written
from engine.cli.fetching import TIMEOUT
from engine.cli.go_flags import FluxCommand
from engine.cli.help import examples
from engine.cli.places import Place, commit_at, folder_at, work_tree
from engine.cli.problems import Problem, undecided
from engine.cli.rehearsing import NAME_ANOTHER, rehearsed, with_repository
from engine.custody.flaws import Flaw, Severity
from engine.objects.redact import secrets_of
from engine.rehearsal import Part, flaws_of
from engine.rehearsal.comparison import Change, comparison
from engine.render.explanation import Places, explain, places_of
from engine.settings import Settings


@click.command(
    "all",
    cls=FluxCommand,
    epilog=examples(
        "lockstep diff all . --base origin/main",
        "lockstep diff all ./clusters/production --base v1.2.0 --head v1.3.0",
        "lockstep diff all ./new --base ./old -o json",
    ),
)
@with_repository
@click.option(
    "--base",
    required=True,
    metavar="REF|FOLDER",
    help="Commit, branch or tag to compare with, or another folder.",
)
@click.option("--head", default="", metavar="REF", help="Take FOLDER from this commit.")
@with_form
@click.pass_context
def command(ctx: click.Context, /, folder: Path, **how: Any) -> None:
    """Show what changes in every Kustomization at or below FOLDER since another commit.

    Both sides are rendered as the engine does; no cluster is asked, so what is live does not
    count.  Values of Secrets are masked.  Exit status: 0 nothing changes, 1 something does, 2 the
    new side cannot be rendered, or neither has a Kustomization.
    """
    with undecided():
        found, flaws = _compared(folder, how)
        shown = [each for each in found if each.is_news]
        click.echo(written(shown, how["form"]) if shown or how["form"] == "json" else "", nl=False)
        for each in flaws:
            steps.warning(f"{each.place}: {each.what}" if each.place else each.what)
    ctx.exit(2 if flaws else int(any(each.is_change for each in found)))


def _compared(folder: Path, how: dict[str, Any]) -> tuple[list[Compared], list[Flaw]]:
    """(each Kustomization, what is wrong with the new side)."""
    base = Path(how["base"])
    root = work_tree(folder)
    new = commit_at(how["head"], folder) if how["head"] else folder_at(folder)
    is_folder = base.is_dir() and base.resolve() != root
    old: Place = folder_at(base) if is_folder else commit_at(how["base"], folder)
    before = rehearsed(old, work_tree(base) if is_folder else root, how)
    after = rehearsed(new, root, how)
    if not before.parts and not after.parts:
        raise Problem(f"there is no Kustomization below '{folder}' on either side; {NAME_ANOTHER}")
    flaws = [each for each in flaws_of(after) if each.severity is Severity.ERROR]
    return [_shown(each) for each in comparison(before.parts, after.parts)], flaws


def _shown(change: Change) -> Compared:
    after = change.after
    origins = {
        each.ref: each.origin
        for part in (change.before, after)
        if part is not None and part.rendered is not None
        for each in part.rendered.objects
    }
    return Compared(
        change.title,
        change.predictions,
        origins,
        _places(after, change),
        secrets=tuple(_secrets(change)),
    )


def _secrets(change: Change) -> list[str]:
    """All values of Secrets on either side, and of those that variables come from."""
    return [text for part in (change.before, change.after) if part for text in _secrets_of(part)]


def _secrets_of(part: Part) -> Iterator[str]:
    yield from part.secrets
    for each in part.rendered.objects if part.rendered is not None else ():
        yield from secrets_of(each.obj)


def _places(after: Part | None, change: Change) -> Places:
    """`file:line` of the fields that change; it is rendered again for them."""
    wanted = {
        one.ref: [each.path for each in one.differences]
        for one in change.predictions
        if one.differences
    }
    if after is None or after.asked is None or not wanted:
        return {}
    tree, request = after.asked
    limits = Limits(Settings().build_timeout, TIMEOUT, None)
    explained = completed_build(partial(explain, tree, request), limits)
    return places_of(explained, wanted)
