"""What Kubernetes refuses in a CustomResourceDefinition.

Rules in CEL (`x-kubernetes-validations`) are stored and published, but nobody compiles them.
Source: apiextensions-apiserver validation.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from engine.apiserver.errors import Cause, invalid_value, required, unsupported_value
from engine.apiserver.validation.formats import pattern_fault
from engine.objects.ref import Object


def check_definition(obj: Object) -> Iterator[Cause]:
    """What is wrong with a CRD."""
    spec = obj.get("spec") or {}
    yield from _check_names(obj, spec)
    if not spec.get("scope"):
        yield required("spec.scope")
    elif spec["scope"] not in ("Cluster", "Namespaced"):
        yield unsupported_value("spec.scope", spec["scope"], ("Cluster", "Namespaced"))
    versions = spec.get("versions") or ()
    if sum(bool(version.get("storage")) for version in versions) != 1:
        text = "must have exactly one version marked as storage version"
        yield invalid_value("spec.versions", list(versions), text)
    for i, version in enumerate(versions):
        path = f"spec.versions[{i}].schema.openAPIV3Schema"
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        if not schema:
            yield required(path)
        yield from _check_patterns(schema, path)


def _check_patterns(node: Any, path: str) -> Iterator[Cause]:
    """Expressions that are none, at any depth."""
    if isinstance(node, list):
        for i, each in enumerate(node):
            yield from _check_patterns(each, f"{path}[{i}]")
    elif isinstance(node, Mapping):
        pattern = node.get("pattern")
        fault = pattern_fault(pattern) if isinstance(pattern, str) else ""
        if fault:
            text = f"must be a valid regular expression, but isn't: {fault}"
            yield invalid_value(f"{path}.pattern", pattern, text)
        for name, each in node.items():
            yield from _check_patterns(each, f"{path}.{name}")


def _check_names(obj: Object, spec: Mapping[str, Any]) -> Iterator[Cause]:
    names: Mapping[str, Any] = spec.get("names") or {}
    group = spec.get("group") or ""
    if not group:
        yield required("spec.group")
    elif "." not in group:
        yield invalid_value("spec.group", group, "should be a domain with at least one dot")
    for name in ("plural", "singular", "kind", "listKind"):
        if not names.get(name):
            yield required(f"spec.names.{name}")
    if obj["metadata"].get("name") != f"{names.get('plural', '')}.{group}":
        text = 'must be spec.names.plural+"."+spec.group'
        yield invalid_value("metadata.name", obj["metadata"].get("name"), text)
