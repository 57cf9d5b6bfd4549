import pytest

from engine.apiserver.errors import Refused
from engine.apiserver.operations.selectors import parse_fields, parse_labels

POD = {
    "metadata": {"name": "p", "namespace": "n", "labels": {"app": "web", "tier": "2"}},
    "status": {"phase": "Running"},
}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", True),
        ("app=web", True),
        ("app==web,tier=2", True),
        ("app!=web", False),
        ("none!=x", True),
        ("app in (web, api)", True),
        ("app notin (web)", False),
        ("none notin (a)", True),
        ("app", True),
        ("!app", False),
        ("!none,app in (web),tier>1", True),
        ("tier<2", False),
        ("app=", False),
    ],
)
def test_label_selectors(text: str, wanted: bool) -> None:
    assert parse_labels(text).matches(POD) is wanted


@pytest.mark.parametrize("text", ["=a", "a in b", "a in (b", "a b", ",a"])
def test_a_label_selector_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="unable to parse requirement"):
        parse_labels(text)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("metadata.name=p", True),
        ("metadata.name!=p", False),
        ("metadata.namespace=n,status.phase=Running", True),
        ("status.phase==Failed", False),
        ("spec.nodeName=", True),
    ],
)
def test_field_selectors(text: str, wanted: bool) -> None:
    assert parse_fields(text, "pods").matches(POD) is wanted


def test_a_field_that_cannot_be_selected_is_named() -> None:
    with pytest.raises(Refused, match=r"field label not supported: spec\.x"):
        parse_fields("spec.x=1", "pods")


def test_events_are_selected_by_the_object_they_are_about() -> None:
    event = {"metadata": {"name": "e"}, "involvedObject": {"name": "p"}, "reason": "R"}

    assert parse_fields("involvedObject.name=p,reason=R", "events").matches(event)
    assert parse_fields("regarding.name=p", "events").matches(event)
