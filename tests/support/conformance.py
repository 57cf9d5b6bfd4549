"""What the conformance corpus asks of the engine; each part imports only what it needs."""

from decimal import Decimal
from typing import Any


def yaml(text: str) -> Any:
    """The first document of a manifest, its floats spelled as Go spells them in JSON."""
    from engine.objects.manifests import load

    return _spelled(load(text))


def _spelled(value: Any) -> Any:
    """The value as read back from Go's JSON, where `1e20` stands as 100000000000000000000."""
    if isinstance(value, dict):
        return {key: _spelled(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_spelled(inner) for inner in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return int(Decimal(repr(value)))
    return value


def kstatus(obj: dict[str, Any]) -> tuple[str, str]:
    """Status and message of an object, as the library has them for one whose status is sound."""
    from engine.objects.kstatus import Status, health

    found = health(obj, now=2e9, started_job_is_current=True)
    if found.status is Status.UNKNOWN:
        raise ValueError(found.message)
    return str(found.status), found.message


def smd(case: dict[str, Any], schema: str) -> dict[str, Any]:
    """The outcome of one case of structured merge, under the keys that the case has."""
    if case["kind"] == "ssa":
        return {"steps": list(_smd_steps(case))}
    from engine.objects.fields import FieldSet
    from engine.objects.manifests import load

    typ = _smd_type(schema, case["type"])
    if case["kind"] == "validate":
        typ.validate(load(case["object"]), allow_duplicates=case["allow_duplicates"])
        return {"ok": True}
    for key in ("lhs", "rhs", "object"):
        if key in case:
            typ.validate(case[key], allow_duplicates=True)
    if case["kind"] == "merge":
        return {"out": typ.merge(case["lhs"], case["rhs"])}
    if case["kind"] == "compare":
        change = typ.compare(case["lhs"], case["rhs"])
        parts = ("added", "modified", "removed")
        return {name: getattr(change, name).format() for name in parts}
    if case["kind"] == "fieldset":
        return {"set": typ.field_set(case["object"]).format()}
    fields = FieldSet.parse(case["set"])
    with_keys = case.get("options") == 1
    removes = case["kind"] == "remove-items"
    obj = case["object"]
    return {
        "out": typ.remove(obj, fields) if removes else typ.extract(obj, fields, with_keys=with_keys)
    }


def _smd_type(schema: str, name: str) -> Any:
    from engine.apiserver.typed.schema import TypeRef, from_document
    from engine.apiserver.typed.type import Type
    from engine.objects.manifests import load

    return Type(from_document(load(schema)), TypeRef(name))


def _smd_steps(case: dict[str, Any]) -> Any:
    """What each step leaves behind: live value, managers, and the error if it fails."""
    from engine.apiserver.ownership.merge import Contested, State
    from engine.apiserver.typed.schema import TypeMismatch

    state: State[str] = State(None)
    schemas = _smd_schemas()
    for step in case["steps"]:
        error = None
        try:
            state = _smd_step(case, step, schemas[step["schema"]], state)
        except (Contested, TypeMismatch, ValueError) as failure:
            error = str(failure)
        managers = {
            name: {
                "apiVersion": owned.version,
                "applied": owned.applied,
                "fields": owned.fields.format(),
            }
            for name, owned in state.owners.items()
        }
        yield {"live": state.value, "managers": managers} | ({"error": error} if error else {})


def _smd_step(case: dict[str, Any], step: dict[str, Any], schema: str, state: Any) -> Any:
    from engine.apiserver.ownership.merge import Merger
    from engine.objects.fields import EMPTY, FieldSet
    from engine.objects.manifests import load

    op = step["op"]
    typ = _smd_type(schema, step.get("type", "v1"))
    if op == "change-schema":
        typ.validate(state.value)
        return state
    ignored = case.get("ignored_fields") or {}
    merger = Merger(typ, {version: FieldSet.parse(fields) for version, fields in ignored.items()})
    version, manager = step["version"], step["manager"]
    new = step["object"] if "object" in step else load(step["object_yaml"])
    typ.validate(new, allow_duplicates=op == "update")
    if op == "update":
        return merger.update(state, new, version, manager)
    if op == "extract-apply" and state.value is not None:
        owned = state.owners.get(manager)
        if owned is not None and owned.version != version:
            raise ValueError(f"{manager} applied {owned.version}, not {version}")
        leaves = owned.fields.leaves() if owned else EMPTY
        new = typ.merge(typ.extract(state.value, leaves), new)
    return merger.apply(state, new, version, manager, force=op != "apply")


def _smd_schemas() -> dict[str, str]:
    """The corpus' schemas by id: steps name theirs, and the tool hands over only a case's own."""
    import json
    import sys

    corpus = sys.modules["__main__"].a.corpus  # the folder that the tool was told to read
    schemas: dict[str, str] = json.loads((corpus / "smd.json").read_text())["schemas"]
    return schemas


def kustomize_build(
    files: dict[str, bytes], build_path: str, options: dict[str, Any]
) -> list[dict[str, Any]]:
    """The objects that a build puts out, in order."""
    import posixpath

    from engine.render.kustomize import Options, Reach, build
    from engine.source.tree import MemoryTree

    folders = frozenset(options["empty_dirs"])
    path = posixpath.normpath(build_path)
    reach = Reach(root_only=options["loadRestrictor"] == "rootOnly", mount=options["root"])
    is_flux = options["target"] == "flux"
    asked = Options(reach, options["reorder"], options["managedByLabel"], adds_schemas=is_flux)
    built = build(MemoryTree(files, folders), "" if path == "." else path, asked)
    return [resource.obj for resource in built.resources]


def envsubst(template: str, variables: dict[str, str], strict: bool) -> str:
    """The template with its variables replaced."""
    from engine.render.substitute import substitute

    return substitute(template, variables, strict=strict)
