"""Laws of reading and writing manifests."""

from contextlib import suppress

import orjson
from hypothesis import given
from hypothesis import strategies as st

from engine.objects.manifests import ManifestError, dump, load, parse

INTEGERS = st.integers(min_value=-(2**63), max_value=2**64 - 1)
# Between these Kubernetes holds the integer of the shortest digits, which is another number.
FLOATS = st.floats(allow_nan=False, allow_infinity=False).filter(
    lambda number: not 2.0**53 < abs(number) <= 2.0**63
)
# Characters that make a difference to YAML, among all others.
TRICKY = st.text(alphabet=" \n\t:#-?!&*|>'\"%@`{}[],\\yn01.e_~<=+é😀\u0085\u2028\ufeff\x7f")
WORDS = st.lists(st.text(alphabet="ab'\"\\ :", max_size=30), max_size=12).map(" ".join)
TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | TRICKY | WORDS
SCALARS = st.none() | st.booleans() | INTEGERS | FLOATS | TEXTS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=10
)
SNIPPETS = st.sampled_from(
    [
        *("a: 1", "\n", "  ", "- ", "? ", ": ", "&a ", "*a", "<<: *a", "---\n", "...\n", "{", "}"),
        *("[", "]", ",", "!!int ", "!!binary ", "! ", "|\n", ">-\n", "'", '"', "%YAML 1.1\n"),
        *("%TAG ! !\n", "0x1", "1e999", ".nan", "\t", "#", "\ufeff", "\\", "\x00", "x:", "{a:}"),
        *("a:,", '{"a": ', "\\ud800"),
    ]
)


@given(VALUES)
def test_what_dump_writes_load_reads_back(value):
    text = dump(value)

    assert load(text) == value
    assert [document.obj for document in parse(text.encode(), "f")] == (
        [] if value is None else [value]
    )


@given(st.lists(st.dictionaries(TEXTS, SCALARS, min_size=1, max_size=3), max_size=3))
def test_documents_stay_apart(values):
    text = "---\n".join(map(dump, values))

    assert [document.obj for document in parse(text.encode(), "f")] == values


@given(st.dictionaries(TEXTS, VALUES))
def test_json_is_read_back(value):
    assert load(orjson.dumps(value)) == value


@given(VALUES)
def test_every_position_leads_to_a_field_and_every_field_has_one(value):
    for document in parse(dump(value).encode(), "f"):
        lines = dump(value).count("\n") + 1
        for path, line in document.positions.items():
            found = document.obj
            for step in path:
                found = found[step]
            assert 1 <= line <= lines
        assert len(document.positions) == count(value)


def count(value):
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(count, inner))


@given(st.binary() | st.lists(SNIPPETS).map(lambda parts: "".join(parts).encode("utf-8")))
def test_reading_anything_gives_json_or_a_manifest_error(content):
    for merge_overrides in (False, True):
        with suppress(ManifestError):
            for document in parse(content, "f", merge_overrides=merge_overrides):
                orjson.dumps(document.obj)
