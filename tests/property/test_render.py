"""Laws of rendering: what it depends on, and what it does not."""

from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.objects.manifests import dump
from engine.render import Request, render
from engine.render.kustomize.model.reading import read
from engine.render.kustomize.model.scalars import unspelled
from engine.render.kustomize.model.schemas import OpenApiSchemas
from engine.render.kustomize.transform.merge import merge
from engine.render.substitute import SubstitutionError, substitute
from engine.source.tree import MemoryTree

NAMES = st.text("abcdefgh", min_size=1, max_size=4)
VALUES = st.text(max_size=8).filter(lambda text: "\x00" not in text)
DATA = st.dictionaries(NAMES, VALUES, max_size=3)
LEAVES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | VALUES
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3)
)


def config_map(name: str, data: dict[str, str]) -> bytes:
    obj: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    return dump({**obj, "data": data} if data else obj).encode()


FILES = st.dictionaries(NAMES, DATA, min_size=1, max_size=5).map(
    lambda maps: {f"{name}.yaml": config_map(name, data) for name, data in maps.items()}
)


@given(FILES, st.randoms())
def test_the_result_does_not_depend_on_the_order_of_files(
    files: dict[str, bytes], random: Any
) -> None:
    shuffled = list(files.items())
    random.shuffle(shuffled)

    assert render(MemoryTree(dict(shuffled)), Request()) == render(MemoryTree(files), Request())


@given(FILES, FILES)
def test_where_the_inputs_hold_the_result_is_the_same(
    files: dict[str, bytes], others: dict[str, bytes]
) -> None:
    apps = {f"apps/{path}": content for path, content in files.items()}
    request = Request(path="apps")
    first = render(MemoryTree(apps), request)

    unrelated = MemoryTree({**apps, **{f"x/{path}": text for path, text in others.items()}})
    related = MemoryTree({**apps, **{f"apps/{path}": text for path, text in others.items()}})

    assert first.inputs.hold_in(unrelated)
    assert render(unrelated, request).objects == first.objects
    if first.inputs.hold_in(related):
        assert render(related, request).objects == first.objects


@given(st.text())
def test_text_without_a_dollar_is_left_alone(text: str) -> None:
    plain = text.replace("$", "")

    assert substitute(plain, {}, True) == plain


@given(st.text("${}abc:-=#%/^,\\"), st.dictionaries(NAMES, VALUES))
def test_substitution_gives_text_or_says_why_not(text: str, variables: dict[str, str]) -> None:
    with suppress(SubstitutionError):
        assert isinstance(substitute(text, variables, False), str)


@given(st.text())
def test_an_escaped_text_comes_out_as_it_was(text: str) -> None:
    assert substitute(text.replace("$", "$$"), {}, True) == text


@settings(deadline=None)
@given(st.dictionaries(NAMES, JSON, max_size=3))
def test_what_is_dumped_is_read_back(obj: dict[str, Any]) -> None:
    documents = read(dump(obj).encode(), "x.yaml")

    assert [unspelled(document.value) for document in documents] == [obj]


@given(st.dictionaries(NAMES, JSON, max_size=3), st.dictionaries(NAMES, JSON, max_size=3))
def test_merging_new_fields_twice_changes_nothing_more(
    target: dict[str, Any], patch: dict[str, Any]
) -> None:
    new = {key: value for key, value in patch.items() if key not in target}

    once = merge(dict(target), new, OpenApiSchemas({}))

    assert merge(dict(once), new, OpenApiSchemas({})) == once
