"""Select resources by patterns of their id and by labels and annotations.

Source: kustomize api/types/selector.go, k8s.io/apimachinery/pkg/labels.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from engine.objects.regex import Expression, InvalidExpression, compiled
from engine.render.kustomize.config.kustomization import Selector
from engine.render.kustomize.errors import KustomizeError
from engine.render.kustomize.model.ids import Gvk
from engine.render.kustomize.model.resource import Resource

_REQUIREMENT = re.compile(
    r"\s*(?:"
    r"(?P<set_key>[^\s,=!<>()]+)\s+(?P<set>in|notin)\s*\((?P<values>[^()]*)\)"
    r"|(?P<key>[^\s,=!<>()]+)\s*(?P<operator>==|=|!=)\s*(?P<value>[^\s,=!<>()]*)"
    r"|(?P<number_key>[^\s,=!<>()]+)\s*(?P<order>[<>])\s*(?P<bound>-?[0-9]+)"
    r"|!\s*(?P<absent>[^\s,=!<>()]+)"
    r"|(?P<present>[^\s,=!<>()]+)"
    r")\s*(?:,|$)"
)
_KEY = re.compile(r"(?:[a-z0-9.-]{1,253}/)?[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")

Test = Callable[[Mapping[str, str]], bool]


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled Selector; empty parts match everything."""

    group: Expression | None
    version: Expression | None
    kind: Expression | None
    name: Expression | None
    namespace: Expression | None

    def matches_gvk(self, gvk: Gvk) -> bool:
        """True if group, version and kind match as a whole."""
        return (
            _matches(self.group, gvk.group)
            and _matches(self.version, gvk.version)
            and _matches(self.kind, gvk.kind)
        )

    def matches_name(self, name: str) -> bool:
        """True if the name matches as a whole."""
        return _matches(self.name, name)

    def matches_namespace(self, namespace: str) -> bool:
        """True if the namespace matches as a whole."""
        return _matches(self.namespace, namespace)


def pattern_of(selector: Selector) -> Pattern:
    """The compiled selector.  Raises KustomizeError for an expression that is none."""
    return Pattern(
        *map(
            expression,
            (selector.group, selector.version, selector.kind, selector.name, selector.namespace),
        )
    )


def expression(text: str) -> Expression | None:
    """A regular expression; None for the empty text.  Raises KustomizeError."""
    if not text:
        return None
    try:
        return compiled(text)
    except InvalidExpression as error:
        raise KustomizeError(str(error)) from error


def select(resources: Iterable[Resource], selector: Selector) -> list[Resource]:
    """The resources that match by today's or their first name and namespace."""
    pattern = pattern_of(selector)
    is_labelled = selector_test(selector.label_selector)
    is_annotated = selector_test(selector.annotation_selector)
    return [
        resource
        for resource in resources
        if _has_matching_id(resource, pattern)
        and is_labelled(resource.labels)
        and is_annotated(resource.annotations)
    ]


def _has_matching_id(resource: Resource, pattern: Pattern) -> bool:
    ids = (resource.original_id, resource.id)
    return (
        any(pattern.matches_namespace(item.effective_namespace) for item in ids)
        and any(pattern.matches_name(item.name) for item in ids)
        and pattern.matches_gvk(resource.gvk)
    )


def selector_test(text: str) -> Test:
    """A test of labels by a Kubernetes selector, `a=b,c in (d,e),!f`.  Raises KustomizeError."""
    tests: list[Test] = []
    position = 0
    while text[position:].strip():
        match = _REQUIREMENT.match(text, position)
        if match is None:
            raise KustomizeError(f"unable to parse selector {text!r} at {text[position:]!r}")
        tests.append(_requirement(match, text))
        position = match.end()
    if text.rstrip().endswith(","):
        raise KustomizeError(f"unable to parse selector {text!r}: it ends with a comma")
    return lambda labels: all(test(labels) for test in tests)


def _requirement(match: re.Match[str], text: str) -> Test:
    part = match.groupdict()
    key = next(
        part[name]
        for name in ("set_key", "key", "number_key", "absent", "present")
        if part[name] is not None
    )
    if not _KEY.fullmatch(key):
        raise KustomizeError(f"selector {text!r}: {key!r} is not a label key")
    if part["set"]:
        values = {value.strip() for value in part["values"].split(",")}
        is_in = part["set"] == "in"
        return lambda labels: (labels.get(key) in values) is is_in
    if part["operator"]:
        value, is_equal = part["value"], part["operator"] != "!="
        return lambda labels: (labels.get(key) == value) is is_equal
    if part["order"]:
        return _comparison(key, part["order"], int(part["bound"]))
    is_present = part["present"] is not None
    return lambda labels: (key in labels) is is_present


def _comparison(key: str, order: str, bound: int) -> Test:
    def test(labels: Mapping[str, str]) -> bool:
        try:
            value = int(labels[key])
        except (KeyError, ValueError):
            return False
        return value < bound if order == "<" else value > bound

    return test


def _matches(pattern: Expression | None, text: str) -> bool:
    return pattern is None or pattern.fullmatch(text) is not None
