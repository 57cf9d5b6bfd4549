"""Manual edits of the last hours: what was changed beside Git, and by whom."""

import re
from collections.abc import Iterable

from engine.plugin import Context, Finding, Severity, Snapshot
from engine.snapshot import about, count_of, seen_at

_RECENT = 24 * 3600.0  # seconds
_SHOWN = 5  # fields of a finding
_LINE = re.compile(r"drift of (?P<object>\S+?):? (?P<what>corrected|left as it is)?")
_WRITER = re.compile(r"written by (?P<writer>[^)]*?)(?: at [^ )]*)?\)")


async def diagnose(snapshot: Snapshot, context: Context) -> Iterable[Finding]:
    """A finding for each object that drifted, with the newest edit."""
    newest: dict[str, Finding] = {}
    for event in await snapshot.events():
        if snapshot.now - seen_at(event) > _RECENT:
            continue
        for line in str(event.get("message", "")).splitlines():
            told = _LINE.match(line)
            if told is None:
                continue
            writers = ", ".join(sorted(set(_WRITER.findall(line)))) or "somebody unknown"
            what = told["what"] or "not corrected, as its Kustomization is suspended"
            times = f", {count_of(event)} times" if count_of(event) > 1 else ""
            newest[told["object"]] = Finding(
                Severity.WARNING,
                f"{told['object']} was changed beside Git by {writers}: {what}{times}",
                "make the change in Git; forbid edits by admission policy, or allow the field "
                "with spec.ignore",
                about(event),
                tuple(line.split("; ")[:_SHOWN]),
                "an edit that is not in Git is lost, and nobody else knows of it",
            )
    return [newest[key] for key in sorted(newest)]
