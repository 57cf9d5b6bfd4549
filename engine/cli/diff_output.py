"""What `lockstep diff` prints: for people, for programs, and as Flux's CLI does.

Source of Flux's form: flux2 internal/build/diff.go; homeport/dyff, its human report.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import click

from engine.apply.prediction import Prediction, Prospect
from engine.cli.comparing import Compared
from engine.objects.manifests import dump
from engine.objects.redact import MASK
from engine.plan.drift import Difference, Steps

_VALUE: Final = 100  # characters of a value that a line shows
_MARKS: Final[Mapping[Prospect, tuple[str, str]]] = {
    Prospect.CREATED: ("+", "green"),
    Prospect.CONFIGURED: ("~", "yellow"),
    Prospect.RECREATED: ("±", "red"),
    Prospect.DELETED: ("-", "red"),
    Prospect.KEPT: ("=", "yellow"),
    Prospect.SKIPPED: ("=", "yellow"),
    Prospect.REFUSED: ("✗", "red"),
}
_FLUX_WORDS: Final = {
    Prospect.CREATED: "created",
    Prospect.CONFIGURED: "drifted",
    Prospect.RECREATED: "drifted",
    Prospect.DELETED: "deleted",
    Prospect.SKIPPED: "skipped",
}
_NUMBERS: Final = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def written(found: Sequence[Compared], form: str) -> str:
    """The text to print.  form: a key of FORMS."""
    return FORMS[form](found)


def _for_people(found: Sequence[Compared]) -> str:
    lines: list[str] = []
    for each in found:
        lines += [each.title]
        lines += [f"  {click.style('!', fg='yellow')} {each.hidden(w)}" for w in each.warnings]
        for one in each.predictions:
            if one.prospect in _MARKS:
                lines += [f"  {line}" for line in _lines(one, each)]
        lines.append(f"  {_summary(each)}")
    return "\n".join(lines) + "\n"


def _lines(one: Prediction, of: Compared) -> Iterator[str]:
    mark, colour = _MARKS[one.prospect]
    origin = of.origins.get(one.ref, "")
    place = f" ({origin})" if origin and one.prospect is not Prospect.REFUSED else ""
    why = f": {of.hidden(one.why)}" if one.why else ""
    yield f"{click.style(mark, fg=colour)} {one.ref} {one.prospect}{place}{why}"
    for difference in one.differences:
        place = of.places.get(one.ref, {}).get(difference.path, "")
        yield f"    {difference.path}: {_change(difference, of)}" + (f" ({place})" if place else "")


def _change(difference: Difference, of: Compared) -> str:
    before, after = of.values(difference)
    if before == after:  # values of a Secret
        return "changed"
    if difference.live is None:
        return "added" if after == MASK else f"added {_shown(after)}"
    if difference.desired is None:
        return "removed" if before == MASK else f"removed, was {_shown(before)}"
    return f"{_shown(before)} → {_shown(after)}"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _VALUE else f"{text[:_VALUE]}..."


def _summary(of: Compared) -> str:
    """`2 created, 1 deleted, 7 unchanged`."""
    counts = dict.fromkeys(Prospect, 0)
    for one in of.predictions:
        counts[one.prospect] += 1
    told = [f"{count} {prospect}" for prospect, count in counts.items() if count]
    return ", ".join(told) or "no objects"


def _brief(found: Sequence[Compared]) -> str:
    lines = [
        f"{one.ref} {one.prospect}" for each in found for one in each.predictions if one.is_change
    ]
    return "".join(f"{line}\n" for line in lines)


def _as_json(found: Sequence[Compared]) -> str:
    document = [
        {
            "kustomization": each.title,
            "changed": each.is_change,
            "warnings": each.hidden(list(each.warnings)),
            "objects": [_plain(one, each) for one in each.predictions],
        }
        for each in found
    ]
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _plain(one: Prediction, of: Compared) -> dict[str, Any]:
    places = of.places.get(one.ref, {})
    return {
        "group": one.ref.group,
        "kind": one.ref.kind,
        "namespace": one.ref.namespace,
        "name": one.ref.name,
        "action": str(one.prospect),
        "why": of.hidden(one.why),
        "origin": of.origins.get(one.ref, ""),
        "fields": [
            {
                "path": each.path,
                "before": of.values(each)[0],
                "after": of.values(each)[1],
                "origin": places.get(each.path, ""),
            }
            for each in one.differences
        ],
    }


def _as_flux(found: Sequence[Compared]) -> str:
    first, *inner = found
    text = "".join(_flux_object(one, first) for one in first.predictions)
    for each in inner:
        if each.is_change:
            text += f"📁 {each.title} changed\n"
            text += "".join(_flux_object(one, each) for one in each.predictions)
    return text


def _flux_object(one: Prediction, of: Compared) -> str:
    word = _FLUX_WORDS.get(one.prospect)
    if word is None:
        return ""
    text = f"► {one.ref} {word}\n"
    return text + _report(one, of) if word == "drifted" else text


def _report(one: Prediction, of: Compared) -> str:
    """The fields that change: what comes and goes in a map or list together, then the values."""
    entries: dict[tuple[str, str], list[Difference]] = {}
    values: list[str] = [*_generation(one)]
    for each in one.differences:
        path, parent = _dotted(each.steps), _dotted(each.steps[:-1])
        if each.live is None or each.desired is None:
            form = "added" if each.live is None else "removed"
            entries.setdefault((parent, form), []).append(each)
        else:
            values.append(_value_change(path, *_told_apart(each, of)))
    parts = [_entries(*key, same, of) for key, same in sorted(entries.items())]
    return "".join(f"\n{part}" for part in (*parts, *values)) + "\n"


def _generation(one: Prediction) -> Iterator[str]:
    """Which Flux's CLI shows as a change, too."""
    before, after = (
        (each or {}).get("metadata", {}).get("generation") for each in (one.before, one.after)
    )
    if before and after and before != after:
        yield _value_change("metadata.generation", before, after)


def _dotted(steps: Steps) -> str:
    return ".".join(str(step).strip("[]") for step in steps)


def _told_apart(difference: Difference, of: Compared) -> tuple[Any, Any]:
    """The values, masked ones as Flux's CLI tells them apart."""
    before, after = of.values(difference)
    return (before, after) if before != after else (f"{before} (before)", f"{after} (after)")


def _value_change(path: str, before: Any, after: Any) -> str:
    return f"{path}\n± value change\n- {_plainly(before)}\n+ {_plainly(after)}\n"


def _plainly(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _entries(parent: str, form: str, same: Sequence[Difference], of: Compared) -> str:
    count = _NUMBERS[len(same)] if len(same) < len(_NUMBERS) else str(len(same))
    is_item = str(same[0].steps[-1]).startswith("[")
    noun = ("list" if is_item else "map") + (" entry" if len(same) == 1 else " entries")
    mark = "+" if form == "added" else "-"
    values = {str(d.steps[-1]): d.desired if form == "added" else d.live for d in same}
    shown: Any = list(values.values()) if is_item else values
    return f"{parent or '(root level)'}\n{mark} {count} {noun} {form}:\n{dump(of.hidden(shown))}"


FORMS: Final[Mapping[str, Callable[[Sequence[Compared]], str]]] = {
    "text": _for_people,
    "brief": _brief,
    "flux": _as_flux,
    "json": _as_json,
}
"""The forms of `--output`."""


def with_form(function: Callable[..., Any]) -> Callable[..., Any]:
    """The command function with `--output`; it is given `form`."""
    return click.option(
        "-o",
        "--output",
        "form",
        type=click.Choice(list(FORMS)),
        default="text",
        show_default=True,
        help="flux: as Flux's CLI prints it.",
    )(function)
