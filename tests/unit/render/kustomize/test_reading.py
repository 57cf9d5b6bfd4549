import pytest

from engine.render.kustomize.model.document import NODES, MalformedYaml
from engine.render.kustomize.model.reading import read, read_one


def test_documents_have_their_file_and_line() -> None:
    documents = read(b"# head\na: 1\n---\n---\n\nb: 2\n--- # note\nc: 3\n", "x.yaml")

    assert [(d.value, d.line) for d in documents] == [({"a": 1}, 2), ({"b": 2}, 6), ({"c": 3}, 8)]


def test_anchors_and_merges_are_resolved_and_own_keys_win() -> None:
    (document,) = read(b"base: &b {a: 1, c: 2}\nx:\n  <<: *b\n  a: 5\ny: *b\n", "x.yaml")

    assert document.value["x"] == {"a": 5, "c": 2}
    assert document.value["y"] == {"a": 1, "c": 2}
    assert document.value["y"] is not document.value["base"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2", r"x.yaml:2: mapping key 'a' is already defined"),
        ("a: [1]]", r"x.yaml:1: malformed YAML"),
        ("a: 1\n--- junk\nb: 2\n", r"x.yaml:2: invalid document separator '---junk'"),
        ("a: *nope", r"x.yaml:1: .*unknown anchor|undefined alias"),
        ("? [a]\n: b", r"x.yaml:1: a mapping key must be a scalar"),
        ("a: {<<: 1}", r"x.yaml:1: a map merge needs"),
        ("[" * 120 + "]" * 120, r"nested deeper than 100"),
        ("a: .inf", r"x.yaml:1: '.inf' has no JSON form"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, message: str) -> None:
    with pytest.raises(MalformedYaml, match=message):
        read(text.encode(), "x.yaml")


def test_expanding_aliases_is_bounded() -> None:
    bomb = "a: &a0 [" + "x," * 9 + "x]\n"
    for i in range(1, 8):
        bomb += f"b{i}: &a{i} [" + ",".join([f"*a{i - 1}"] * 10) + "]\n"

    with pytest.raises(MalformedYaml, match=f"more than {NODES} nodes"):
        read(bomb.encode(), "x.yaml")


def test_text_that_is_not_utf8_is_an_error() -> None:
    with pytest.raises(MalformedYaml, match="not UTF-8 at byte 3"):
        read(b"a: \xff", "x.yaml")


def test_in_configuration_the_last_of_equal_keys_wins() -> None:
    assert read_one(b"a: 1\na: 2\n", "x.yaml") == {"a": 2}
    assert read_one(b"", "x.yaml") is None


def test_nesting_counts_through_aliases() -> None:
    lines = ["a: &a0 " + "[" * 60 + "]" * 60, "b: " + "[" * 60 + "*a0" + "]" * 60]

    with pytest.raises(MalformedYaml, match=r"x.yaml:2: nested deeper than 100"):
        read("\n".join(lines).encode(), "x.yaml")
