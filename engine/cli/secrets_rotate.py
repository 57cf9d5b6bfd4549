"""`lockstep secrets rotate`: encrypted files for other recipients."""

import secrets
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from engine.cli import steps
from engine.cli.problems import Problem
from engine.cli.secrets_keys import awaited, recipients_of, ring_of, whole_opening
from engine.custody.creation_rules import CreationRules
from engine.custody.files import content_of, files_of, work_tree
from engine.custody.replacing import Changed, Draft, drafted
from engine.custody.rotation import Rotated, Sealer, Unrotatable, Wish
from engine.custody.rotation import rotated as rotated_file
from engine.custody.survey import Sealed, is_below, sealed_in
from engine.custody.verification import WITHIN
from engine.plugin import KeyRing
from engine.reconcile.opening import Opening
from engine.render import SealedKey
from engine.render.decrypt_files import NAME
from engine.runtime import SystemClock


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of the command."""

    to: tuple[str, ...]
    add: tuple[str, ...]
    remove: tuple[str, ...]
    new_data_key: bool
    all_or_nothing: bool
    dry_run: bool
    yes: bool
    age_key_file: Path | None
    pgp_key_files: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class _File:
    """A file that was asked for, as it was read.  shown: its path as the caller would write it."""

    place: Path
    root: Path
    shown: str
    content: bytes
    sealed: Sealed


@dataclass(frozen=True, slots=True)
class _Plan:
    """changes: what is to be written.  problems: why files stay as they are, by path."""

    changes: list[tuple[_File, Rotated]]
    problems: dict[str, str]
    unchanged: int


def rotated(paths: Sequence[Path], asked: Asked) -> int:
    """Does it, and says what was done; the exit status."""
    wish = Wish(
        recipients_of(asked.to, "--to"),
        recipients_of(asked.add, "--add"),
        recipients_of(asked.remove, "--remove"),
        asked.new_data_key,
    )
    files = _files(paths)
    plan = awaited(_planned, files, wish, ring_of(asked.age_key_file, asked.pgp_key_files))
    may_write = not asked.dry_run and not (asked.all_or_nothing and plan.problems)
    if may_write and plan.changes:
        _confirm(plan, asked)
        if asked.all_or_nothing:
            _write_all(plan)
        else:
            _write_each(plan)
        _warn_of_known(plan)
    else:
        for file, change in plan.changes:
            steps.doing(f"{file.shown}: would be {_told(change)}")
    for shown, problem in plan.problems.items():
        click.echo(f"{click.style('✗', fg='red')} {shown}: {problem}", err=True)
    if plan.problems and plan.changes and asked.all_or_nothing and not asked.dry_run:
        steps.warning("nothing was written (--all-or-nothing)")
    if plan.unchanged:
        steps.done(f"already so: {plan.unchanged} of {len(files)} files", on_the_way=True)
    return int(bool(plan.problems))


def _files(paths: Sequence[Path]) -> list[_File]:
    """Every encrypted file that is meant, once.  Raises Problem if there is none."""
    found: dict[Path, _File] = {}
    for path in paths:
        root = work_tree(path)
        below = path.resolve().relative_to(root).as_posix()
        meant = "" if below == "." else below
        for name, place in files_of(root):
            if place not in found and is_below(name, meant):
                content = content_of(place)
                sealed = sealed_in(content, name) if NAME in content else None
                if sealed is not None:
                    shown = _shown(path, name, meant)
                    found[place] = _File(place, root, shown, content, sealed)
        if path.is_file() and path.resolve() not in found:
            raise Problem(f"'{path}' is not encrypted with SOPS, or .gitignore names it")
    if not found:
        raise Problem(f"no file at or below {', '.join(map(str, paths))} is encrypted with SOPS")
    return list(found.values())


def _shown(path: Path, name: str, meant: str) -> str:
    return str(path / name[len(meant) :].lstrip("/")) if name != meant else str(path)


async def _planned(files: Sequence[_File], wish: Wish, ring: KeyRing) -> _Plan:
    plan = _Plan([], {}, 0)
    unchanged = 0
    async with whole_opening(ring) as opening:
        rules: dict[Path, CreationRules] = {}
        await _open_all(files, opening)
        for file in files:
            known = rules.setdefault(file.root, CreationRules(file.root))
            sealer = Sealer(opening, known, _now, secrets.token_bytes)
            try:
                change = await rotated_file(file.sealed, file.content, wish, sealer)
            except Unrotatable as problem:
                plan.problems[file.shown] = str(problem)
                continue
            if change is None:
                unchanged += 1
            else:
                plan.changes.append((file, change))
    return _Plan(plan.changes, plan.problems, unchanged)


async def _open_all(files: Sequence[_File], opening: Opening) -> None:
    """Opens all data keys at once; what cannot be opened is told file by file."""
    found = (file.sealed for file in files)
    keys = (SealedKey.of(each.metadata, each.place) for each in found if each.metadata)
    await opening.bring(tuple(dict.fromkeys(keys)), WITHIN)


def _now() -> datetime:
    return datetime.fromtimestamp(SystemClock().wall(), UTC)


def _confirm(plan: _Plan, asked: Asked) -> None:
    """Raises Problem, or Abort, unless the caller agrees."""
    if asked.yes:
        return
    for file, change in plan.changes:
        steps.doing(f"{file.shown}: {_told(change)}")
    if not sys.stdin.isatty():
        raise Problem("nothing was written: give --yes where nobody can be asked, or --dry-run")
    click.confirm(f"Write {len(plan.changes)} files?", abort=True, err=True)


def _write_each(plan: _Plan) -> None:
    for file, change in plan.changes:
        try:
            drafted(file.place, file.content, change.content).put()
        except (Changed, OSError) as error:
            plan.problems[file.shown] = str(error)
            continue
        steps.done(f"{file.shown}: {_told(change)}")


def _write_all(plan: _Plan) -> None:
    """Everything is on disk before the first file is replaced."""
    drafts: list[Draft] = []
    try:
        for file, change in plan.changes:
            drafts.append(drafted(file.place, file.content, change.content))
    except (Changed, OSError) as error:
        plan.problems[file.shown] = str(error)
        for draft in drafts:
            draft.drop()
        return
    for draft, (file, change) in zip(drafts, plan.changes, strict=True):
        try:
            draft.put()
        except (Changed, OSError) as error:
            plan.problems[file.shown] = str(error)
            continue
        steps.done(f"{file.shown}: {_told(change)}")


def _warn_of_known(plan: _Plan) -> None:
    if any(change.removed and not change.has_new_key for _, change in plan.changes):
        steps.warning(
            "who was taken out may still have the data keys: --new-data-key makes others, and "
            "what was in Git is known to them, so change those values, too"
        )


def _told(change: Rotated) -> str:
    """What is another about a file."""
    parts = [f"+{each}" for each in change.added] + [f"-{each}" for each in change.removed]
    if change.has_new_key:
        parts.append("new data key")
    return "rotated (" + (", ".join(parts) or "other key groups") + ")"
