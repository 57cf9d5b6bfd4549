import pytest

from engine.render.kustomize.config.kustomization import Selector
from engine.render.kustomize.errors import KustomizeError
from engine.render.kustomize.model.resource import Position, Resource
from engine.render.kustomize.model.schemas import BuiltInSchemas
from engine.render.kustomize.transform.selectors import select, selector_test

LABELS = {"app": "web", "tier": "5"}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", True),
        ("app=web", True),
        ("app==web,tier!=6", True),
        ("app!=web", False),
        ("missing!=x", True),
        ("app in (a, web)", True),
        ("app notin (a,b)", True),
        ("app in (a)", False),
        ("app", True),
        ("!missing", True),
        ("!app", False),
        ("tier>4,tier<6", True),
        ("tier>5", False),
        ("example.com/x", False),
    ],
)
def test_label_selectors(text: str, wanted: bool) -> None:
    assert selector_test(text)(LABELS) is wanted


@pytest.mark.parametrize("text", ["a=b=c", "a in b", ",", "a,", "a b", "-a=b"])
def test_a_selector_that_is_none_is_quoted(text: str) -> None:
    with pytest.raises(KustomizeError, match="selector"):
        selector_test(text)


def resource(name: str, kind: str = "ConfigMap", namespace: str = "") -> Resource:
    metadata = {"name": name, "namespace": namespace, "labels": {"app": name}}
    obj = {"apiVersion": "v1", "kind": kind, "metadata": metadata}
    return Resource(obj, Position("x.yaml", 1), BuiltInSchemas())


@pytest.mark.parametrize(
    ("selector", "wanted"),
    [
        (Selector(name="a"), ["a"]),
        (Selector(name="a.*"), ["a", "ab"]),
        (Selector(name="a|c"), ["a", "c"]),
        (Selector(kind="Secret"), ["c"]),
        (Selector(namespace="default"), ["a", "c"]),
        (Selector(label_selector="app=ab"), ["ab"]),
        (Selector(version="v1", group="apps"), []),
    ],
)
def test_patterns_match_as_a_whole(selector: Selector, wanted: list[str]) -> None:
    resources = [resource("a"), resource("ab", namespace="x"), resource("c", "Secret")]

    assert [found.name for found in select(resources, selector)] == wanted


def test_a_bad_expression_is_quoted() -> None:
    with pytest.raises(KustomizeError, match=r"'\(' is not a regular expression"):
        select([], Selector(name="("))
