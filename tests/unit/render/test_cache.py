import pytest

from engine.render import Memory, Request, render
from engine.render.cache import ParsedFiles
from engine.render.kustomize.model.document import MalformedYaml
from engine.source.tree import MemoryTree

CONTENT = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: it}\n"
SIZE = len(CONTENT) * 10


def test_a_file_is_parsed_twice_for_many_builds() -> None:
    files = {"base/map.yaml": CONTENT, "base/kustomization.yaml": b"resources: [map.yaml]\n"}
    files |= {f"{n}/kustomization.yaml": b"resources: [../base]\n" for n in range(9)}
    parse = ParsedFiles(10 * SIZE)

    for number in range(9):
        render(MemoryTree(files), Request(path=str(number)), memory=Memory(parse))

    assert (parse.statistics().parsed, parse.statistics().used) == (2, 7)


def test_what_is_read_once_is_not_kept() -> None:
    parse = ParsedFiles(10**9)
    for number in range(100):
        parse(CONTENT, f"{number}.yaml")

    assert parse.statistics().files == 0


def test_the_same_content_at_another_path_says_another_path() -> None:
    parse = ParsedFiles(10 * SIZE)

    assert [parse(CONTENT, file)[0].file for file in ("a.yaml", "b.yaml")] == ["a.yaml", "b.yaml"]


def test_other_content_at_the_same_path_is_read() -> None:
    parse = ParsedFiles(10 * SIZE)
    names = [
        parse(CONTENT.replace(b"it", name), "a.yaml")[0].value["metadata"]["name"]
        for name in (b"one", b"two", b"one")
    ]

    assert names == ["one", "two", "one"]


def test_what_was_used_longest_ago_goes_first() -> None:
    parse = ParsedFiles(2 * SIZE)
    for file in ("a", "a", "b", "b", "a", "c", "c"):
        parse(CONTENT, file)
    before = parse.statistics().parsed

    parse(CONTENT, "a")
    assert parse.statistics().parsed == before
    parse(CONTENT, "b")
    assert parse.statistics().parsed == before + 1
    assert parse.statistics().held_bytes == 2 * SIZE


@pytest.mark.parametrize("max_bytes", [0, SIZE - 1])
def test_a_file_that_is_too_large_is_read_and_not_kept(max_bytes: int) -> None:
    parse = ParsedFiles(max_bytes)

    assert [parse(CONTENT, "a")[0].value["kind"] for _ in range(2)] == ["ConfigMap", "ConfigMap"]
    assert (parse.statistics().files, parse.statistics().held_bytes) == (0, 0)


def test_what_aliases_make_of_a_file_counts() -> None:
    parse = ParsedFiles(10**9)
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 4)]

    for _ in range(2):
        parse("\n".join(lines).encode(), "a")

    assert parse.statistics().held_bytes > 10_000 * 100


def test_a_file_that_is_wrong_is_read_again() -> None:
    parse = ParsedFiles(10 * SIZE)
    for _ in range(3):
        with pytest.raises(MalformedYaml, match="malformed"):
            parse(b"a: [", "a.yaml")

    assert parse.statistics().files == 0
