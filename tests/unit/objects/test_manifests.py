import json
import pickle
from pathlib import Path

import pytest

from engine.objects.manifests import ManifestError, Positions, dump, load, parse
from tests.support import conformance, conformance_known

SHARED = Path(__file__).parents[3].parent / "shared"

TWO = b"""\
# a comment
apiVersion: v1
kind: ConfigMap
metadata:
  name: a
  labels: {x: "1",
    z: "2"}
data:
- - one
  - two: 2
---
---
kind: Secret
"""


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("Off", False),
        ("y", True),
        ("tRue", "tRue"),
        ("~", None),
        ("", None),
        ("0644", 420),
        ("0o644", 420),
        ("08", 8),
        ("0x1F", 31),
        ("0X1f", 31),
        ("-0b101", -5),
        ("0b-11", -3),
        ("1_000", 1000),
        ("_1", "_1"),
        ("+5", 5),
        ("1e3", 1000),
        (".5", 0.5),
        (".7_5", 0.75),
        ("._3", "._3"),
        ("1.", 1),
        ("1e400", "1e400"),
        ("1:30", "1:30"),
        ("2001-12-14", "2001-12-14"),
        ("18446744073709551615", 18446744073709551615),
        ("18446744073709551616", 1.8446744073709552e19),
        ("-9223372036854775809", -9.223372036854776e18),
        ("5555988070323007371.493", 5555988070323007000),
        ("=", "="),
        ("<<", "<<"),
        ("!!binary aGVsbG8=", "hello"),
        ("!!str 1", "1"),
        ('!!int "3"', 3),
        ("!!float 3", 3),
        ("!thing 3", "3"),
        ('! "3"', 3),
        ('"3"', "3"),
    ],
)
def test_a_plain_scalar_means_what_it_means_to_kubernetes(text, value):
    found = load(f"a: {text}\n")["a"]

    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("on", "true"),
        ("1", "1"),
        ("1.50", "1.5"),
        ("72.205685875919", "72.20569"),
        ("4E7", "4e+07"),
        ("1e-9", "1e-09"),
        ("0.00012", "0.00012"),
        ("1e99", ".inf"),
        ('"<<"', "<<"),
        ("*a", "5"),
    ],
)
def test_a_key_becomes_the_string_that_kubernetes_makes_of_it(key, name):
    assert name in load(f"x: &a 5\n{key} : 1\n")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", "f:3: key 'a' already set in map"),
        ("true: 1\non: 2\n", "f:2: key 'true' already set in map"),
        ('{"a": 1,\n "a": 2}', "f:2: key 'a' already set in map"),
        ("x: &x {p: 1}\nk:\n  <<: *x\n  p: 3\n", "f:4: key 'p' already set in map"),
        ("x: &x {p: 1}\nk:\n  p: 3\n  <<: *x\n", "f:4: key 'p' already set in map"),
        ("a: 1\n<<: 3\n", "f:2: map merge requires map or sequence of maps as the value"),
        ("x: &x [{}]\n<<: *x\n", "f:2: map merge requires map or sequence of maps as the value"),
        ("a: .inf\n", "f:1: unsupported value: inf"),
        ("~: 1\n", "f:1: unsupported map key None"),
        ("9223372036854775808: 1\n", "f:1: unsupported map key 9223372036854775808"),
        ("x: &x {}\n*x : 1\n", "f:2: unsupported map key {}"),
        ("[1]: 1\n", "f:1: a map or a list cannot be a key"),
        ("a: *x\n", "f:1: unknown anchor 'x' referenced"),
        ("a: &x [*x]\n", "f:1: anchor 'x' value contains itself"),
        ("%YAML 1.2\n---\na: 1\n", "f:1: found incompatible YAML document: %YAML is not 1.1"),
        ("a: !!int x\n", "f:1: cannot decode 'x' as a !!int"),
        ("a: !!binary x\n", "f:1: !!binary value contains invalid base64 data"),
        ("a: b: c\n", "f:1: mapping values are not allowed in this context"),
        (
            "a: 1\n---\nb: '\n",
            "f:4: while scanning a quoted scalar, found unexpected end of stream",
        ),
        ("[" * 101, "f:1: nested more than 100 levels deep"),
        ('{"a":' * 9999, "f:1: nested more than 100 levels deep"),
    ],
)
def test_an_error_names_file_line_and_problem(text, problem):
    with pytest.raises(ManifestError) as caught:
        parse(text.encode(), "f")

    assert str(caught.value) == problem


def test_a_hundred_levels_are_not_too_deep():
    assert parse(("[" * 60 + "&a " + "[" * 40 + "]" * 100).encode(), "f")


def test_text_that_is_not_utf8_is_an_error():
    with pytest.raises(ManifestError, match=r"^f:1: byte 3: invalid leading UTF-8 octet$"):
        parse(b"a: \xff\n", "f")


def test_text_that_is_mended_and_then_not_utf8_is_an_error():
    with pytest.raises(ManifestError, match=r"^f:1: byte 9: invalid leading UTF-8 octet$"):
        parse(b"[a:, b]\n \xff\n", "f")


def test_documents_know_their_file_line_and_number():
    documents = parse(TWO, "dir/a.yaml")

    assert [(d.obj["kind"], d.file, d.line, d.index) for d in documents] == [
        ("ConfigMap", "dir/a.yaml", 2, 0),
        ("Secret", "dir/a.yaml", 13, 2),
    ]


def test_every_field_knows_its_line():
    document = parse(TWO, "f")[0]

    assert dict(document.positions) == {
        (): 2,
        ("apiVersion",): 2,
        ("kind",): 3,
        ("metadata",): 4,
        ("metadata", "name"): 5,
        ("metadata", "labels"): 6,
        ("metadata", "labels", "x"): 6,
        ("metadata", "labels", "z"): 7,
        ("data",): 8,
        ("data", 0): 9,
        ("data", 0, 0): 9,
        ("data", 0, 1): 10,
        ("data", 0, 1, "two"): 10,
    }
    assert len(document.positions) == 13


@pytest.mark.parametrize(
    ("path", "line"),
    [((), 2), (("metadata", "name"), 5), (("metadata", "none", 3), 4), (("data", 0, 9), 9)],
)
def test_a_field_that_is_not_there_has_the_line_of_the_one_above(path, line):
    assert parse(TWO, "f")[0].line_of(path) == line


def test_a_position_that_is_not_there_is_a_key_error():
    with pytest.raises(KeyError):
        Positions(1, {"a": 2})["b",]


def test_a_document_survives_the_way_to_a_worker_and_back():
    document = parse(TWO, "f")[0]

    assert pickle.loads(pickle.dumps(document)).line_of(("data", 0, 1)) == 10


def test_a_merged_or_aliased_field_has_the_line_where_it_is_written():
    document = parse(b"x: &x\n  p: 1\nw: *x\nz:\n  <<: *x\n  q: 2\n", "f")[0]

    assert document.obj["w"] == {"p": 1}
    assert document.obj["z"] == {"p": 1, "q": 2}
    assert [document.line_of(path) for path in [("w",), ("w", "p"), ("z", "p")]] == [3, 2, 2]


def test_with_merge_overrides_own_keys_win_and_earlier_mappings_win():
    text = b"x: &x {p: 1, r: 1}\ny: &y {p: 2, q: 2}\nz:\n  r: 3\n  <<: [*x, *y]\n"

    document = parse(text, "f", merge_overrides=True)[0]

    assert document.obj["z"] == {"r": 3, "p": 1, "q": 2}


def test_with_merge_overrides_a_key_written_twice_is_still_an_error():
    with pytest.raises(ManifestError, match="f:2: key 'a' already set"):
        parse(b"a: 1\na: 2\n", "f", merge_overrides=True)


def test_an_anchor_can_be_used_again_for_another_value():
    assert load("a: &x 1\nb: &x 2\nc: *x\n") == {"a": 1, "b": 2, "c": 2}


def test_aliases_that_expand_to_very_much_are_refused():
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]

    with pytest.raises(ManifestError, match="f:5: document contains excessive aliasing"):
        parse("\n".join(lines).encode(), "f")


def test_aliases_that_nest_too_deep_are_refused():
    lines = ["a0: &a0 []"] + [f"a{n}: &a{n} [[*a{n - 1}]]" for n in range(1, 80)]

    with pytest.raises(ManifestError, match="f:51: nested more than 100 levels deep"):
        parse("\n".join(lines).encode(), "f")


def test_many_plain_nodes_are_no_aliasing():
    text = "a:\n" + "- x\n" * 120_000

    assert len(parse(text.encode(), "f")[0].obj["a"]) == 120_000


@pytest.mark.parametrize(
    ("text", "objects"),
    [
        ("", []),
        ("# only a comment\n", []),
        ("---\n...\n---\n", []),
        ("a: 1\n...\n---\nb: 2\n", [{"a": 1}, {"b": 2}]),
        ("\ufeffa: 1\r\n---\r\nb:\r\n- 2\r\n", [{"a": 1}, {"b": [2]}]),
        ("--- # first\na: 1\n--- {b: 2}\n", [{"a": 1}, {"b": 2}]),
        ("[a:, {b:, c: d}]", [["a:", {"b:": None, "c": "d"}]]),
        ("a: |\n  --- x\n  ---\n", [{"a": "--- x\n---\n"}]),
    ],
)
def test_documents_are_split_as_kubernetes_splits_them(text, objects):
    assert [document.obj for document in parse(text.encode(), "f")] == objects


@pytest.mark.parametrize(
    ("text", "objects"),
    [
        ('{"a": "\\ud83d\\ude00"}', [{"a": "😀"}]),
        ('{"a": "\\ud83d"}', [{"a": "\ufffd"}]),
        ('{"a": "x\u0085y\u2028z"}', [{"a": "x\u0085y\u2028z"}]),
        ('\ufeff\n{"a": 1.0}\n{"b": 2}', [{"a": 1}, {"b": 2}]),
        ('{"a": 1}\n---\n{"b": 18446744073709551616}\n', [{"a": 1}, {"b": 2**64 * 1.0}]),
        ("{" + '"k": 1, "' + "k" * 2000 + '": 2}', [{"k": 1, "k" * 2000: 2}]),
        ("{a: 1, b: NaN}", [{"a": 1, "b": "NaN"}]),
        ('{"a": NaN}', [{"a": "NaN"}]),
        ('{"a": 1}\n---\nb: 2\n', [{"a": 1}, {"b": 2}]),
    ],
)
def test_json_is_read_as_json(text, objects):
    assert [document.obj for document in parse(text.encode(), "f")] == objects


def test_json_documents_know_their_lines_too():
    documents = parse(b'{"a": 1}\n\n{\n  "b": [\n    2\n  ]\n}\n', "f")

    assert [(d.line, d.index) for d in documents] == [(1, 0), (3, 1)]
    assert documents[1].line_of(("b", 0)) == 5


def test_load_reads_the_first_document_only():
    assert load("a: 1\n---\nb: '") == {"a": 1}
    assert load('{"a": 1}') == {"a": 1}
    assert load(b"") is None


OBJECT = {
    "metadata": {"name": "a", "annotations": {"a/b": "1", "a10": "x", "a9": "y", "A": "z"}},
    "spec": {"empty": {}, "none": None, "list": [], "args": ["-c", "--", "# x", "a: b", "yes"]},
    "data": {"script": "#!/bin/sh\necho\n", "cut": "a\nb", "many": "a\n\n", "tab": "a\tb\n"},
    "items": [{"b": 1.5, "a": [[1, 2], []]}, [], "é😀"],
}
TEXT = """\
data:
  cut: |-
    a
    b
  many: |+
    a

  script: |
    #!/bin/sh
    echo
  tab: "a\\tb\\n"
items:
- a:
  - - 1
    - 2
  - []
  b: 1.5
- []
- "é\\U0001F600"
metadata:
  annotations:
    A: z
    a/b: "1"
    a9: "y"
    a10: x
  name: a
spec:
  args:
  - -c
  - --
  - '# x'
  - 'a: b'
  - "yes"
  empty: {}
  list: []
  none: null
"""


def test_dump_writes_as_kubernetes_does():
    assert dump(OBJECT) == TEXT
    assert load(TEXT) == OBJECT


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("y", '"y"'),
        ("0o644", '"0o644"'),
        ("08", '"08"'),
        ("1e3", '"1e3"'),
        ("1:30", '"1:30"'),
        ("2001-12-14", '"2001-12-14"'),
        ("2001-13-14", "2001-13-14"),
        ("2001-12-14T21:59:43.1Z", '"2001-12-14T21:59:43.1Z"'),
        ("10.0.0.1", "10.0.0.1"),
        ("", '""'),
        ("~", '"~"'),
        ("<<", "<<"),
        ("=", "="),
        ("null", '"null"'),
        ("it's", "it's"),
        ("'", "''''"),
        (" x", "' x'"),
        ("x ", "'x '"),
        ("a #b", "'a #b'"),
        ("a:", "'a:'"),
        ("-", "'-'"),
        ("-x", "-x"),
        ("---x", "'---x'"),
        ("\n", "|2+\n"),
        ("\n x", "|2-\n\n   x"),
        ("x \ny", '"x \\ny"'),
        ("\x7f", '"\\x7F"'),
        ("\ufeff", '"\\uFEFF"'),
        (1, "1"),
        (1.0, "1"),
        (-0.0, "0"),
        (1e20, "1e+20"),
        (2**64, "1.8446744073709552e+19"),
        (2**64 - 1, "18446744073709551615"),
        (1234567.5, "1.2345675e+06"),
        (0.00001, "1e-05"),
        (True, "true"),
    ],
)
def test_a_scalar_is_quoted_only_where_kubernetes_would_misread_it(value, text):
    assert dump(value) == text + "\n"
    assert load(dump({"a": value}))["a"] == value


WORDS = "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (f"{WORDS} ut labore", f"a: {WORDS}\n  ut labore\n"),
        (f"{WORDS}: ut", f"a: '{WORDS}:\n  ut'\n"),
        (f"{WORDS} ut\tx", f'a: "{WORDS}\n  ut\\tx"\n'),
        (f"{WORDS}   \t", f'a: "{WORDS}\n  \\  \\t"\n'),
    ],
)
def test_a_long_string_is_folded_at_eighty_columns(value, text):
    assert dump({"a": value}) == text
    assert load(text) == {"a": value}


def test_a_long_key_stands_after_a_question_mark():
    value = {"k" * 129: {"a": [1]}, "b": {"k" * 130: "x"}}

    assert dump(value) == f"b:\n  ? {'k' * 130}\n  : x\n? {'k' * 129}\n: a:\n  - 1\n"
    assert load(dump(value)) == value


@pytest.mark.parametrize("value", [{1: 2}, {"a": object()}, {"a": float("nan")}, {None: 1}])
def test_what_json_has_no_form_of_is_a_type_error(value):
    with pytest.raises(TypeError):
        dump(value)


def corpus(part):
    path = SHARED / "corpus" / "open" / part
    if not path.exists():
        pytest.skip(f"the shared folder with the corpus is absent: {part}")
    return path


def outcome(text):
    try:
        return conformance.yaml(text)
    except ManifestError:
        return ManifestError


def test_the_corpus_is_read_as_kubernetes_reads_it():
    cases = json.loads(corpus("yaml.json").read_text())["cases"]

    differ = [
        case["name"]
        for case in cases
        if outcome(case["text"])
        != (json.loads(case["json"]) if case["outcome"] == "ok" else ManifestError)
    ]

    assert differ == list(conformance_known.YAML)


def test_dump_prints_the_corpus_as_kustomize_prints_it():
    differ = []
    for path in sorted(corpus("kustomize").glob("*.json")):
        case = json.loads(path.read_text())
        printed = "---\n".join(map(dump, case.get("objects", ())))
        if "objects" in case and printed != case["output"]:
            differ.append(path.name)

    assert differ == []


@pytest.mark.parametrize("value", [None, {"a": 1}, "<<"])
def test_a_key_that_looks_like_a_merge_is_written_as_a_key(value: object) -> None:
    text = dump({"<<": value})

    assert text.startswith('"<<":')
    assert load(text) == {"<<": value}
