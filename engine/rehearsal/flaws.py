"""What is wrong with a repository, as its rendering shows: all of it, each with its place."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from engine.custody.flaws import Flaw, Severity
from engine.objects.redact import masker
from engine.objects.ref import Ref
from engine.reconcile.cycles import members_of
from engine.rehearsal.rehearsal import Part, Rehearsal, objects_of
from engine.rehearsal.sources import source_of
from engine.render.decrypt import is_refused

_FILE: Final = r"((?:[\w.@+-]+/)*[\w.@+-]+\.(?:ya?ml|json)):(\d+)"
_PLACE: Final = re.compile(rf"(?:^|[\s('\"]){_FILE}")
_LINK: Final = re.compile(rf"(?:^|: ){_FILE}(?=: )")
"""Of the chain from the outermost kustomization.yaml to the file with the mistake."""
_BOOTSTRAPPED: Final = "flux-system"  # the source that `flux bootstrap` and its like make


def flaws_of(rehearsal: Rehearsal) -> list[Flaw]:
    """Every flaw, the worst first, then by place."""
    found = [*_broken(rehearsal), *_encrypted(rehearsal), *_twice(rehearsal)]
    found += [*_dependencies(rehearsal), *_sources(rehearsal), *_unseen(rehearsal)]
    hidden = masker(rehearsal.secrets)
    told = {replace(each, what=hidden(each.what)) for each in found}
    return sorted(told, key=lambda each: (-each.severity, each.file, each.line, each.what))


def _error(rule: str, origin: str, what: str, fix: str = "") -> Flaw:
    file, line = _split(origin)
    return Flaw(Severity.ERROR, rule, file, line, what, fix)


def _split(origin: str) -> tuple[str, int]:
    file, _, line = origin.rpartition(":")
    return (file, int(line)) if line.isdigit() else (origin, 0)


def _broken(rehearsal: Rehearsal) -> Iterator[Flaw]:
    told: set[str] = set()
    for part in rehearsal.parts:
        rule = "build" if part.ks is not None else "schema"
        for line in part.problem.splitlines():
            flaw = _error(rule, _place_in(line) or part.origin, f"{part.ref}: {line}")
            told.add(flaw.place)
            yield flaw
    for text in rehearsal.malformed:
        place = _place_in(text)
        if place not in told:  # a build that reads the file has said it already
            yield _error("malformed", place, text.removeprefix(f"{place}: "))


def _place_in(text: str) -> str:
    """The `file:line` that a text is about, "" if it names none."""
    chain = _LINK.findall(text)
    named = _PLACE.search(text)
    file, line = chain[-1] if chain else named.groups() if named else ("", "")
    return f"{file}:{line}" if file else ""


def _encrypted(rehearsal: Rehearsal) -> Iterator[Flaw]:
    for part in rehearsal.parts:
        if part.rendered is None or part.ks is None or part.ks.spec.decryption is not None:
            continue
        for each in part.rendered.objects:
            if is_refused(each.obj):
                what = f"{each.ref} is encrypted, and {part.ref} does not decrypt"
                fix = f"set spec.decryption of the Kustomization ({part.origin})"
                yield _error("not-decrypted", each.origin, what, fix)


def _twice(rehearsal: Rehearsal) -> Iterator[Flaw]:
    """Objects that two Kustomizations make, and Kustomizations that are there twice."""
    makers: dict[tuple[str, Ref], dict[Ref, str]] = {}  # {(place, object): {maker: file:line}}
    for part, ref, origin in objects_of(rehearsal.parts):
        makers.setdefault((part.place, ref), {})[part.ref] = origin
    for (_, ref), origins in sorted(makers.items(), key=lambda item: item[0][1]):
        if len(origins) > 1:
            named = " and ".join(f"{maker} ({origin})" for maker, origin in origins.items())
            fix = "leave it to one of them: each apply takes it from the other"
            yield _error("claimed-twice", [*origins.values()][-1], f"{ref} is made by {named}", fix)
    known: dict[tuple[str, Ref], list[str]] = {}
    for part in rehearsal.parts:
        known.setdefault((part.cluster, part.ref), []).append(part.origin)
    for (_, ref), lines in known.items():
        if len(set(lines)) > 1:
            yield _error("defined-twice", lines[-1], f"{ref} is defined at {', '.join(lines)}")


def _dependencies(rehearsal: Rehearsal) -> Iterator[Flaw]:
    waits: dict[str, dict[Ref, set[Ref]]] = {}
    origins: dict[tuple[str, Ref], str] = {}
    for part in rehearsal.parts:
        origins[part.cluster, part.ref] = part.origin
        waits.setdefault(part.cluster, {}).setdefault(part.ref, set()).update(_awaited(part))
    for cluster, graph in waits.items():
        told: set[Ref] = set()
        for ref, awaited in sorted(graph.items()):
            for each in sorted(awaited - graph.keys()):
                what = f"{ref} depends on {each}, which is not in this repository"
                yield _error("missing-dependency", origins[cluster, ref], what)
            way = members_of(ref, awaited, partial(_waits_for, graph))
            if way and ref not in told:
                told |= set(way)
                names = " -> ".join(f"{each.namespace}/{each.name}" for each in way)
                what = f"dependencies go in a circle: {names}; none of them is ever ready"
                yield _error("cycle", origins[cluster, ref], what)


def _waits_for(graph: Mapping[Ref, set[Ref]], ref: Ref) -> Iterable[Ref]:
    return graph.get(ref, ())


def _awaited(part: Part) -> Iterator[Ref]:
    for each in part.ks.spec.depends_on if part.ks is not None else ():
        yield Ref(part.ref.group, part.ref.kind, each.namespace or part.ref.namespace, each.name)


def _sources(rehearsal: Rehearsal) -> Iterator[Flaw]:
    """Sources that the repository does not hold.

    What several Kustomizations use was most likely made beside Git, as by a bootstrap; what only
    one names is a mistake.
    """
    users: dict[tuple[str, Ref], list[Part]] = {}
    for part in rehearsal.parts:
        if part.ks is not None:
            users.setdefault((part.cluster, source_of(part.ks)), []).append(part)
    has_any = {cluster for cluster, _ in rehearsal.sources}
    for (cluster, source), parts in users.items():
        is_known = (cluster, source) in rehearsal.sources or source.name == _BOOTSTRAPPED
        if is_known or cluster not in has_any:
            continue
        first = parts[0]
        what = f"{first.ref}: its source {source} is not in this repository"
        if len(parts) > 1:
            file, line = _split(first.origin)
            text = f"{what}, nor that of {len(parts) - 1} more"
            yield Flaw(Severity.WARNING, "missing-source", file, line, text)
        else:
            yield _error("missing-source", first.origin, what, "add it, or correct spec.sourceRef")


def _unseen(rehearsal: Rehearsal) -> Iterator[Flaw]:
    """What could not be looked at."""
    for part in rehearsal.parts:
        file, line = _split(part.origin)
        if part.absent:
            what = f"{part.ref} is not built: {part.absent}"
            yield Flaw(Severity.WARNING, "not-here", file, line, what)
        if part.unknown:
            what = (
                f"{part.ref}: {', '.join(part.unknown)} of substituteFrom is not in this "
                "repository, so variables without a value were not looked for"
            )
            yield Flaw(
                Severity.WARNING, "unknown-variables", file, line, what, "give them with --set"
            )
