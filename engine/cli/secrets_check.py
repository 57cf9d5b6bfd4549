"""`lockstep secrets check`: what is wrong with the secrets of a repository."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import orjson

from engine.cli import steps
from engine.cli.secrets_keys import awaited, ends_of, local_opening, recipients_of, ring_of
from engine.cli.secrets_list import Seen, seen
from engine.cli.target import Target
from engine.cluster import UnknownKind
from engine.custody.agreement import differing, opened_by_one, without
from engine.custody.coverage import SEALED_GROUP, SEALED_KIND, uncovered, without_controller
from engine.custody.creation_rules import CreationRules
from engine.custody.flaws import Flaw, Severity
from engine.custody.plain import plain_secrets
from engine.custody.verification import ending, verified
from engine.runtime import SystemClock

_MARKS = {
    Severity.OK: ("✔", "green"),
    Severity.WARNING: ("!", "yellow"),
    Severity.ERROR: ("✗", "red"),
}
_VERSIONS = ("v1alpha1",)  # of SealedSecret, all that there are


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of the command."""

    without: tuple[str, ...]
    age_key_file: Path | None
    pgp_key_files: tuple[Path, ...]
    cluster: bool
    kubeconfig: str
    context: str


def checked(path: Path, asked: Asked, *, as_json: bool) -> int:
    """Prints the flaws, the worst first; the exit status: 0, 1 for warnings, 2 for errors."""
    recipients_of(asked.without, "--without")
    found = seen(path)
    flaws = [*_flaws(found, asked), *_verified(found, asked)]
    flaws.sort(key=lambda each: (-each.severity, each.file, each.line, each.rule, each.what))
    if as_json:
        click.echo(orjson.dumps([_plain(each) for each in flaws], option=orjson.OPT_INDENT_2))
    else:
        for each in flaws:
            click.echo(_line(each))
        if flaws and found.whole.root != Path.cwd().resolve():
            steps.doing(f"paths are from {found.whole.root}: run the commands there")
        if not flaws:
            click.echo(_line(Flaw(Severity.OK, "", "", 0, "there are no secrets here")))
    return int(max((each.severity for each in flaws), default=Severity.OK))


def _flaws(found: Seen, asked: Asked) -> Iterator[Flaw]:
    """What is seen without any key."""
    shown = found.shown
    yield from plain_secrets(shown)
    yield from uncovered(shown, found.consumers)
    yield from differing(shown, CreationRules(found.whole.root))
    yield from opened_by_one(shown)
    if asked.without:
        lost = recipients_of(asked.without, "--without")
        yield from without(shown, found.consumers, lost)
    served = awaited(_is_served, asked) if asked.cluster else None
    yield from without_controller(shown, found.whole, served)


def _verified(found: Seen, asked: Asked) -> Iterator[Flaw]:
    """What the keys at hand show."""
    if not found.shown.sealed:
        return
    ring = ring_of(asked.age_key_file, asked.pgp_key_files)
    opening = local_opening(ring)
    result = awaited(verified, found.shown.root, found.shown.sealed, opening)
    yield from result.flaws
    yield from ending(ends_of(ring, opening.decryptors), found.shown.sealed, SystemClock().wall())
    if result.good:
        what = f"{_files(result.good)} decrypted and verified with the keys at hand"
        yield Flaw(Severity.OK, "verified", "", 0, what)
    if result.unknown:
        what = f"{_files(result.unknown)} not verified: no age or OpenPGP key at hand opens them"
        fix = "set SOPS_AGE_KEY_FILE, or give --age-key-file or --pgp-key-file"
        yield Flaw(Severity.OK, "not-verified", "", 0, what, fix)


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


async def _is_served(asked: Asked) -> bool:
    """Whether the cluster knows SealedSecrets."""
    async with Target(asked.kubeconfig, asked.context, "").client() as client:
        for version in _VERSIONS:
            try:
                await client.discovery.resource(SEALED_GROUP, version, SEALED_KIND)
            except UnknownKind:
                continue
            return True
    return False


def _line(flaw: Flaw) -> str:
    mark, colour = _MARKS[flaw.severity]
    place = f"{flaw.place}: " if flaw.place else ""
    fix = f"; {flaw.fix}" if flaw.fix else ""
    return f"{click.style(mark, fg=colour)} {place}{flaw.what}{fix}"


def _plain(flaw: Flaw) -> dict[str, object]:
    return {
        "severity": flaw.severity.name.lower(),
        "rule": flaw.rule,
        "file": flaw.file or None,
        "line": flaw.line or None,
        "what": flaw.what,
        "fix": flaw.fix or None,
    }
