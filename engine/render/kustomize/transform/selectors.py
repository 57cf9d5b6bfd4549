"""Select resources by patterns of their id and by labels and annotations.

Source: kustomize api/types/selector.go, k8s.io/apimachinery/pkg/labels.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from engine.objects import labels
from engine.objects.labels import Test
from engine.objects.regex import Expression, InvalidExpression, compiled
from engine.render.kustomize.config.kustomization import Selector
from engine.render.kustomize.errors import KustomizeError
from engine.render.kustomize.model.ids import Gvk
from engine.render.kustomize.model.resource import Resource


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
    try:
        return labels.selector_test(text)
    except labels.SelectorError as error:
        raise KustomizeError(str(error)) from error


def _matches(pattern: Expression | None, text: str) -> bool:
    return pattern is None or pattern.fullmatch(text) is not None
