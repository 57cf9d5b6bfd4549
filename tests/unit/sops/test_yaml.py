"""YAML texts: what a scalar means, how one is written, and where comments belong."""

import pytest
import yaml

from engine.sops.error import SopsError
from engine.sops.tree import Branch, Comment, Items, Leaf, Moment, Node, Span, Value
from engine.sops.yaml_read import Reading
from engine.sops.yaml_scalars import plain, typed, written
from engine.sops.yaml_write import write

TAG = "tag:yaml.org,2002:"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("yes", "yes"),
        ("on", "on"),
        ("True", True),
        ("FALSE", False),
        ("", None),
        ("~", None),
        ("Null", None),
        ("12", 12),
        ("-0x1F", -31),
        ("0644", 420),
        ("0o644", 420),
        ("0b11", 3),
        ("1_000", 1000),
        ("9223372036854775807", 2**63 - 1),
        ("18446744073709551616", 18446744073709551616.0),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e400", "1e400"),
        (".inf", float("inf")),
        ("1:30", "1:30"),
        ("2024-05-06", Moment("2024-05-06T00:00:00Z")),
        ("2024-5-6", Moment("2024-05-06T00:00:00Z")),
        ("2024-05-06T07:08:09Z", Moment("2024-05-06T07:08:09Z")),
        ("2024-05-06t7:8:9.120+02:00", Moment("2024-05-06T07:08:09.12+02:00")),
        ("2024-05-06 07:08:09.5", Moment("2024-05-06T07:08:09.5Z")),
        ("2024-05-06T07:08:09", "2024-05-06T07:08:09"),
        ("2024-05-06 07:08:09Z", "2024-05-06 07:08:09Z"),
        ("2024-02-30", "2024-02-30"),
        ("<<", "<<"),
    ],
)
def test_a_plain_scalar_means_what_it_means_to_sops(text: str, wanted: Value) -> None:
    found = plain(text)

    assert (type(found), found) == (type(wanted), wanted)


def test_an_integer_that_go_has_no_signed_type_for_is_refused() -> None:
    with pytest.raises(SopsError, match="above 9223372036854775807"):
        plain("9223372036854775808")


@pytest.mark.parametrize(
    ("text", "tag", "wanted"),
    [
        ("5", "str", "5"),
        ("5", "float", 5.0),
        ("5", "int", 5),
        ("eHk=", "binary", "xy"),
        ("/w==", "binary", "\udcff"),
        ("true", "bool", True),
    ],
)
def test_a_tag_decides(text: str, tag: str, wanted: Value) -> None:
    assert typed(text, TAG + tag, is_plain=False) == wanted


@pytest.mark.parametrize(("text", "tag"), [("x", "int"), ("!", "binary"), ("x", "bool")])
def test_a_tag_that_the_text_does_not_fit_is_refused(text: str, tag: str) -> None:
    with pytest.raises(SopsError, match=tag):
        typed(text, TAG + tag, is_plain=True)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("text", "text"),
        ("true", '"true"'),
        ("y", '"y"'),
        ("", '""'),
        ("a: b", "'a: b'"),
        ("it's", "it's"),
        ("'quoted", "'''quoted'"),
        ("a\tb", '"a\\tb"'),
        ("a\nb", "|-\n    a\n    b"),
        ("a\nb\n", "|\n    a\n    b"),
        ("a\n\n", "|+\n    a\n"),
        ("\na", "|4-\n\n    a"),
        ("a \nb", '"a \\nb"'),
        ("\U0001f600", '"\\U0001F600"'),
        ("é", "é"),
        ("\udcff", "!!binary /w=="),
        ("x" * 200 + " y", "x" * 200 + " y"),
        (True, "true"),
        (None, "null"),
        (1e30, "1e+30"),
        (1.0, "1"),
        (Moment("2024-05-06T00:00:00Z"), "2024-05-06T00:00:00Z"),
        (b"bytes", "bytes"),
    ],
)
def test_a_value_is_written_as_sops_writes_it(value: Value, wanted: str) -> None:
    assert written(value, Span(0, 0, indent=4)) == wanted


def test_in_flow_style_strings_are_quoted() -> None:
    assert written("a, b", Span(0, 0, is_flow=True)) == '"a, b"'
    assert written("a\nb", Span(0, 0, is_flow=True)) == '"a\\nb"'


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("# a\nk: v\n", "{ #a k=v }"),
        ("k: v # a\n", "{ #a k=v }"),
        ("k: v\n# a\nl: w\n", "{ k=v #a l=w }"),
        ("k:\n  # a\n  l: v\n", "{ k={ #a l=v } }"),
        ("k:\n  l: v\n  # a\nm: w\n", "{ k={ l=v #a } m=w }"),
        ("k:\n  l: v\n# a\nm: w\n", "{ k={ l=v } #a m=w }"),
        ("k: # a\n  l: v\n", "{ #a k={ l=v } }"),
        ("k:\n  - v # a\n  # b\n  - w\n", "{ k=[ #a v #b w ] }"),
        ("k:\n  - v\n  # a\n# b\n", "{ k=[ v #a ] #b }"),
        ("j: u\nk: | # a\n  v\n", "{ j=u #a k=v }"),
        ("j: u\nk: # a\n  v\n", "{ j=u #a k=v }"),
        ("k: [v, # a\n  w]\n", "{ k=[ #a v w ] }"),
        ("k: '# no'\nl: a#b\nm: |\n  # no\n", "{ k=# no l=a#b m=# no }"),
        ("k: |\n  text\n# a\n", "{ k=text #a }"),
        ("---\n# a\n---\nk: v\n# b\n", "{ #a } { k=v #b }"),
        ("k: &x {l: v}\nm: *x\n", "{ k={ l=v } m={ l=v } }"),
    ],
)
def test_a_comment_stands_where_sops_has_it(text: str, wanted: str) -> None:
    documents = Reading(text).documents()

    assert " ".join(shown(document.branch) for document in documents) == wanted


def shown(node: Node) -> str:
    if isinstance(node, Leaf):
        return str(node.value).strip()
    words = []
    for item in node.items:
        if isinstance(item, Comment):
            words.append(f"#{item.text.strip()}")
        elif isinstance(item, tuple):
            words.append(f"{item[0]}={shown(item[1])}")
        else:
            words.append(shown(item))
    opening, closing = "{}" if isinstance(node, Branch) else "[]"
    return " ".join((opening, *words, closing))


def test_a_tree_is_written_in_block_style() -> None:
    tree = Branch(
        [
            Comment(" top"),
            (
                "list",
                Items([Leaf(1), Branch([("a", Leaf("x\ny")), ("b", Items())]), Items([Leaf(2)])]),
            ),
            ("map", Branch([("k: l", Branch())])),
        ]
    )

    text = write([tree, Branch()]).decode()

    assert text == (
        "# top\nlist:\n    - 1\n    - a: |-\n        x\n        y\n      b: []\n    - - 2\n"
        "map:\n    'k: l': {}\n---\n{}\n"
    )
    assert list(yaml.safe_load_all(text)) == [
        {"list": [1, {"a": "x\ny", "b": []}, [2]], "map": {"k: l": {}}},
        {},
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("- a\n", "line 1: the document is no mapping"),
        ("a: b\n1: c\n", "line 2: a key is no text"),
        ("a: b\n? [c]\n: d\n", "line 2: a key is no text"),
        ("a: *b\n", "line 1: an alias names no anchor"),
        ("a: [\n", "not YAML"),
        ("a: &a [*a]\n", "an alias names no anchor that is complete"),
        ("a: " + "[" * 200 + "]" * 200, "nested more than 100 levels"),
        ("a: !!int x\n", "line 1: is not a !!int"),
        pytest.param(
            "a: b\n"
            + "".join(f"k{i}: &a{i} [{f'*a{i - 1},' * 9 if i else 'x'}]\n" for i in range(9)),
            "more than 200,000 values",
            marks=pytest.mark.slow,
        ),
        ("a: 9223372036854775808\n", "line 1: an integer above"),
        ("a: \x00\n", "not YAML"),
    ],
)
def test_what_sops_could_not_hold_is_refused_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(SopsError) as refused:
        Reading(text).documents()

    assert problem in str(refused.value)
