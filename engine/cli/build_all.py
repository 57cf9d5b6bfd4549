"""`lockstep build --all`: render a whole repository, and say all that is wrong with it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click
import orjson

from engine.cli.building import stream_of
from engine.cli.go_flags import FluxCommand
from engine.cli.help import examples
from engine.cli.places import Place, folder_at, work_tree
from engine.cli.problems import Problem
from engine.cli.rehearsing import NAME_ANOTHER, rehearsed, with_repository
from engine.custody.flaws import Flaw, Severity
from engine.custody.plain import plain_secrets
from engine.custody.survey import survey
from engine.plan.policy import Owner
from engine.rehearsal import Part, Rehearsal, flaws_of
from engine.rehearsal.schemas import schema_flaws
from engine.rehearsal.shared import cluster_values

_MARKS: Final = {Severity.OK: "✔", Severity.WARNING: "!", Severity.ERROR: "✗"}
_COLOURS: Final = {Severity.OK: "green", Severity.WARNING: "yellow", Severity.ERROR: "red"}


@click.command(
    "all",
    cls=FluxCommand,
    epilog=examples(
        "lockstep build --all .",
        "lockstep build --all ./clusters/production --set cluster_domain=example.org",
        "lockstep build --all . -o github   # annotations of a pull request",
    ),
)
@with_repository
@click.option("--show-objects", is_flag=True, help="Print all objects; values of Secrets masked.")
@click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    show_default=True,
    help="github: annotations of a workflow run.",
)
@click.pass_context
def command(ctx: click.Context, /, folder: Path, **how: Any) -> None:
    """Render every Kustomization at or below FOLDER, and say all that is wrong.

    Kustomizations that others make are rendered, too.  GitRepositories of this repository are the
    files here; variables come from its ConfigMaps and Secrets.  The exit status is 1 if anything
    is wrong: what cannot be built, objects that two Kustomizations make, dependencies that are
    missing or go in a circle, missing sources; or if there is no Kustomization at all.
    """
    place = folder_at(folder)
    found = rehearsed(place, work_tree(folder), how)
    flaws = _flaws(found, place)
    if how["show_objects"]:
        click.echo("".join(map(_objects, found.parts)), nl=False)
    else:
        click.echo(_FORMS[how["form"]](found, flaws), nl=False)
    if not found.parts:
        raise Problem(f"there is no Kustomization below '{folder}'; {NAME_ANOTHER}")
    ctx.exit(int(any(each.severity is Severity.ERROR for each in flaws)))


def flaws_below(folder: Path) -> list[Flaw]:
    """All that is wrong at or below a folder: as `build --all`, and secrets that all can read."""
    root, place = work_tree(folder), folder_at(folder)
    found = rehearsed(place, root, {"local_sources": (), "settings": ()})
    inner = "" if place.path == "." else place.path
    return [*_flaws(found, place), *plain_secrets(survey(root).below(inner))]


def _flaws(found: Rehearsal, place: Place) -> list[Flaw]:
    """All that the rendering shows, the worst first."""
    flaws = [*flaws_of(found), *schema_flaws(found), *cluster_values(found, place.tree)]
    return sorted(flaws, key=lambda each: -each.severity)


def _objects(part: Part) -> str:
    if part.rendered is None:
        return ""
    owner = Owner(part.ref.name, part.ref.namespace)
    return f"# {part.ref} ({part.origin})\n" + stream_of(part.rendered, owner, show_secrets=False)


def _for_people(found: Rehearsal, flaws: Sequence[Flaw]) -> str:
    lines = []
    for each in flaws:
        mark = click.style(_MARKS[each.severity], fg=_COLOURS[each.severity])
        place = f"{each.place}: " if each.place else ""
        fix = f"; {each.fix}" if each.fix else ""
        lines.append(f"{mark} {place}{each.what}{fix}")
    return "".join(f"{line}\n" for line in (*lines, _summary(found, flaws)))


def _summary(found: Rehearsal, flaws: Sequence[Flaw]) -> str:
    built = [part for part in found.parts if part.rendered is not None]
    objects = sum(len(part.rendered.objects) for part in built if part.rendered is not None)
    errors = sum(each.severity is Severity.ERROR for each in flaws)
    return (
        f"{len(built)} of {len(found.parts)} Kustomizations rendered, {objects} objects, "
        f"{errors} {'error' if errors == 1 else 'errors'}"
    )


def _as_json(found: Rehearsal, flaws: Sequence[Flaw]) -> str:
    document = {
        "kustomizations": [
            {
                "namespace": part.ref.namespace,
                "name": part.ref.name,
                "cluster": part.cluster,
                "origin": part.origin,
                "objects": len(part.rendered.objects) if part.rendered is not None else None,
            }
            for part in found.parts
        ],
        "flaws": [
            {
                "severity": each.severity.name.lower(),
                "rule": each.rule,
                "file": each.file or None,
                "line": each.line or None,
                "what": each.what,
                "fix": each.fix or None,
            }
            for each in flaws
        ],
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n"


def _for_github(found: Rehearsal, flaws: Sequence[Flaw]) -> str:
    """Workflow commands; text and properties escaped as GitHub's toolkit does."""
    lines = []
    for each in flaws:
        level = "error" if each.severity is Severity.ERROR else "warning"
        place = f"file={_property(each.file)},line={each.line or 1}," if each.file else ""
        text = f"{each.what}{f'; {each.fix}' if each.fix else ''}"
        lines.append(f"::{level} {place}title=lockstep {each.rule}::{_data(text)}")
    return "".join(f"{line}\n" for line in (*lines, _summary(found, flaws)))


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


_FORMS: Final[Mapping[str, Callable[[Rehearsal, Sequence[Flaw]], str]]] = {
    "text": _for_people,
    "json": _as_json,
    "github": _for_github,
}
