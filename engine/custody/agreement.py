"""Whether files are encrypted for those for whom they should be, and who is indispensable."""

from collections.abc import Iterable, Iterator, Sequence

from engine.custody.consumers import Consumer
from engine.custody.coverage import readers_of
from engine.custody.creation_rules import CreationRule, CreationRules, InvalidRules
from engine.custody.flaws import Flaw, Severity, quoted
from engine.custody.recipients import Recipient
from engine.custody.survey import Sealed, Survey

_SHOWN = 3  # recipients and files in a message


def differing(survey: Survey, rules: CreationRules) -> Iterator[Flaw]:
    """Files whose recipients are not those of their creation rule."""
    told: set[str] = set()
    for sealed in survey.sealed:
        if sealed.metadata is None:
            continue
        try:
            rule, config = rules.of(sealed.file)
        except InvalidRules as error:
            if str(error) not in told:
                told.add(str(error))
                file, line = _place(str(error))
                yield Flaw(
                    Severity.ERROR, "rules", file, line, str(error), "sops refuses it, too: mend it"
                )
            continue
        if rule is not None:
            yield from _difference(sealed, rule)
        elif config:
            what = f"no creation rule of {config} says for whom it is to be encrypted"
            yield _flaw(Severity.WARNING, "no-rule", sealed, what, f"add a rule to {config}")


def _place(text: str) -> tuple[str, int]:
    """(file, line) with which a message of InvalidRules begins."""
    file, _, rest = text.partition(":")
    line = rest.partition(":")[0]
    return file, int(line) if line.isdigit() else 0


def _difference(sealed: Sealed, rule: CreationRule) -> Iterator[Flaw]:
    wanted = [each for group in rule.groups for each in group]
    gone = [each for each in sealed.recipients if not each.is_among(wanted)]
    missing = [each for each in wanted if not each.is_among(sealed.recipients)]
    if gone:
        what = f"{_listed(gone)} can decrypt it, but {rule.place} does not name them"
        fix = quoted("lockstep", "secrets", "rotate", "--new-data-key", sealed.file)
        note = "; they know the values that were in Git: change those, too"
        yield _flaw(Severity.WARNING, "rotated-out", sealed, what, fix + note)
    if missing:
        what = f"{_listed(missing)} of {rule.place} cannot decrypt it yet"
        fix = quoted("lockstep", "secrets", "rotate", sealed.file)
        yield _flaw(Severity.WARNING, "not-yet-in", sealed, what, fix)
    if not gone and not missing and not has_form(sealed, rule):
        what = f"its key groups, or how many of them are needed, are not those of {rule.place}"
        fix = quoted("lockstep", "secrets", "rotate", sealed.file)
        yield _flaw(Severity.WARNING, "groups", sealed, what, fix)


def has_form(sealed: Sealed, rule: CreationRule) -> bool:
    """Whether the groups, and how many of them are needed, are those of the rule."""
    if sealed.metadata is None or len(sealed.groups) != len(rule.groups):
        return False
    needed = (rule.threshold or len(rule.groups)) if len(rule.groups) > 1 else 1
    return sealed.metadata.needed == needed and all(
        is_same_group(mine, its) for mine, its in zip(sealed.groups, rule.groups, strict=True)
    )


def is_same_group(one: Sequence[Recipient], other: Sequence[Recipient]) -> bool:
    """Whether the same keys open both, in any order."""
    return all(each.is_among(other) for each in one) and all(each.is_among(one) for each in other)


def opened_by_one(survey: Survey) -> Iterator[Flaw]:
    """A flaw for each key that is the only one of some files."""
    alone: dict[Recipient, list[Sealed]] = {}
    for sealed in survey.sealed:
        if len(sealed.recipients) == 1:
            alone.setdefault(sealed.recipients[0], []).append(sealed)
    for recipient, files in sorted(alone.items()):
        count = "file" if len(files) == 1 else f"{len(files)} files"
        what = f"{count} that nobody but {recipient} can decrypt: who loses that key loses them"
        names = [each.file for each in files]
        fix = quoted("lockstep", "secrets", "rotate", "--add", "RECIPIENT", *names[:_SHOWN])
        more = " ..." if len(names) > _SHOWN else ""
        yield _flaw(Severity.WARNING, "one-key", files[0], what, fix + more)


def without(
    survey: Survey, consumers: Sequence[Consumer], lost: Sequence[Recipient]
) -> Iterator[Flaw]:
    """What breaks when these keys go."""
    names = _listed(lost)
    touched = [each for each in survey.sealed if any(r.is_among(lost) for r in each.recipients)]
    broken = [each for each in touched if not is_openable(each, lost)]
    for sealed in broken:
        readers = readers_of(sealed, consumers)
        breaks = f"; Kustomization {readers} would fail" if readers else ""
        what = f"without {names} nobody can decrypt it{breaks}"
        fix = "while you still have the key: " + quoted(
            "lockstep", "secrets", "rotate", "--add", "RECIPIENT", sealed.file
        )
        yield _flaw(Severity.ERROR, "lost", sealed, what, fix)
    if not touched:
        what = f"no file is encrypted for {names}"
    else:
        what = f"{len(touched) - len(broken)} of {len(touched)} files encrypted for {names} can "
        what += "still be decrypted by others"
    yield Flaw(Severity.OK, "without", "", 0, what)


def is_openable(sealed: Sealed, lost: Iterable[Recipient]) -> bool:
    """Whether enough groups have a key that is not lost."""
    if sealed.metadata is None:
        return True
    gone = tuple(lost)
    left = sum(any(not each.is_among(gone) for each in group) for group in sealed.groups)
    return left >= sealed.metadata.needed


def _listed(recipients: Sequence[Recipient]) -> str:
    more = f" and {len(recipients) - _SHOWN} more" if len(recipients) > _SHOWN else ""
    return ", ".join(map(str, recipients[:_SHOWN])) + more


def _flaw(severity: Severity, rule: str, sealed: Sealed, what: str, fix: str) -> Flaw:
    return Flaw(severity, rule, sealed.file, sealed.line, what, fix)
