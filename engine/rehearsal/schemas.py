"""Fields that are misspelt, missing or of the wrong type, by the schemas that are known.

Those of Kubernetes itself, in the version whose table the engine has, and those of definitions that
the repository holds; of other kinds nothing is known here.  Rules in CEL are left to the cluster.
"""

import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Final

from engine.api import KINDS, Undecodable, decode
from engine.api.meta import NOTIFICATION_GROUP
from engine.apiserver.decoding.decoding import NotHandled, decoded
from engine.apiserver.errors import Refused
from engine.apiserver.kinds.builtin import load
from engine.apiserver.kinds.definitions import resources_of
from engine.apiserver.kinds.resources import Resource
from engine.apiserver.kinds.schemas import Schemas
from engine.apiserver.validation.checking import check_object
from engine.custody.flaws import Flaw, Severity
from engine.objects.manifests import ManifestError, parse
from engine.objects.redact import masker
from engine.objects.ref import Object, Ref, version_of
from engine.rehearsal.rehearsal import Part, Rehearsal
from engine.source.tree import Tree

_UNKNOWN: Final = re.compile(r'unknown field "([^"]+)"')
_STEP: Final = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")

Kinds = dict[tuple[str, str, str], Resource]
"""By group, version and kind."""


def schema_flaws(rehearsal: Rehearsal) -> Iterator[Flaw]:
    """A flaw for each field of each object that the API server would refuse."""
    builtin = load()
    kinds: Kinds = {(each.group, each.version, each.kind): each for each in builtin.resources}
    own = {(group, kind) for group, _, kind in kinds}
    kinds |= _defined(rehearsal)
    schemas = Schemas(builtin.definitions)
    seen: set[tuple[str, Ref]] = set()
    hidden = masker(rehearsal.secrets)
    for part, obj, origin in _objects(rehearsal):
        ref = Ref.of(obj)
        if (origin, ref) in seen or "sops" in obj:
            continue
        seen.add((origin, ref))
        resource = kinds.get((ref.group, version_of(obj), ref.kind))
        if resource is not None:
            faults = _faults(obj, resource, schemas)
        elif (ref.group, ref.kind) in own:
            what = f"{obj['apiVersion']} is not served by Kubernetes {builtin.version}"
            faults = iter([(what, "apiVersion")])
        else:
            faults = _faults_of_ours(obj)
        for what, path in faults:
            flaw = _flaw(hidden(f"{ref}: {what}"), path, origin, part)
            # Installers are known to allow more kinds in the definitions of notifications.
            is_loose = ref.group == NOTIFICATION_GROUP
            yield replace(flaw, severity=Severity.WARNING) if is_loose else flaw


def _defined(rehearsal: Rehearsal) -> Kinds:
    """The kinds that definitions of the repository make."""
    kinds: Kinds = {}
    for _, obj, _ in _objects(rehearsal):
        if obj.get("kind") == "CustomResourceDefinition":
            try:
                found = resources_of(obj)
            except (AttributeError, KeyError, StopIteration, TypeError):
                continue  # its own schema says what it lacks
            kinds |= {(each.group, each.version, each.kind): each for each in found}
    return kinds


def _objects(rehearsal: Rehearsal) -> Iterator[tuple[Part, Object, str]]:
    for part in rehearsal.parts:
        for each in part.rendered.objects if part.rendered is not None else ():
            yield part, each.obj, each.origin


def _faults(obj: Object, resource: Resource, schemas: Schemas) -> Iterator[tuple[str, str]]:
    """(what, the field's path or "") of each fault."""
    try:
        made, unknown = decoded(deepcopy(dict(obj)), resource, schemas, "Warn")
    except NotHandled as refusal:
        yield refusal.why, ""
        return
    except Refused as refusal:
        yield str(refusal), ""
        return
    for text in unknown:
        named = _UNKNOWN.search(text)
        yield text, named[1] if named else ""
    if resource.custom and resource.schema is not None:
        for cause in check_object(made, resource.schema):
            yield str(cause), cause.field


def _faults_of_ours(obj: Object) -> Iterator[tuple[str, str]]:
    """Of one of Flux's kinds; Kustomizations are decoded when they are rendered."""
    ref = Ref.of(obj)
    kind = KINDS.get((ref.group, ref.kind))
    if kind is None or kind.name == "Kustomization" or version_of(obj) != kind.version:
        return
    try:
        decode(kind.model, obj)
    except Undecodable as error:
        yield str(error), error.path.removeprefix("$.")


def _flaw(what: str, path: str, origin: str, part: Part) -> Flaw:
    file, _, line = origin.rpartition(":")
    if not line.isdigit():
        return Flaw(Severity.ERROR, "schema", origin, 0, what)
    number = int(line)
    if part.asked is not None and path:
        number = _line_of(part.asked[0], file, number, path)
    return Flaw(Severity.ERROR, "schema", file, number, what)


def _line_of(tree: Tree, file: str, line: int, path: str) -> int:
    """The line of a field in the manifest that begins at a line, or of what is nearest above it."""
    try:
        documents = parse(tree.read(file), file)
    except (KeyError, ManifestError, RecursionError):
        return line
    found = next((each for each in documents if each.line == line), None)
    return found.line_of(_steps(path)) if found is not None else line


def _steps(path: str) -> tuple[int | str, ...]:
    return tuple(int(place) if place else name for name, place in _STEP.findall(path))
