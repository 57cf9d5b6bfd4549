import pytest

from engine.render.kustomize.repository import Repository, parse_repository


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("../base", None),
        ("/abs", None),
        ("deploy.yaml", None),
        ("github.com/org/repo", Repository("https://github.com/org/repo", "", "")),
        (
            "https://github.com/org/repo//deep/er?ref=v1&timeout=90s",
            Repository("https://github.com/org/repo", "deep/er", "v1"),
        ),
        (
            "https://h.example/org/repo/sub?version=v2",
            Repository("https://h.example/org/repo", "sub", "v2"),
        ),
        ("git@github.com:org/repo.git//x", Repository("git@github.com:org/repo.git", "x", "")),
        (
            "ssh://git@h.example/org/repo.git",
            Repository("ssh://git@h.example/org/repo.git", "", ""),
        ),
        ("file:///srv/repo//x", Repository("file:///srv/repo", "x", "")),
        (
            "https://dev.example/org/_git/repo/sub",
            Repository("https://dev.example/org/_git/repo", "sub", ""),
        ),
        ("https://github.com/org/repo//../..", None),
    ],
)
def test_repositories_are_told_from_paths(url: str, wanted: Repository | None) -> None:
    assert parse_repository(url) == wanted


@pytest.mark.parametrize(
    ("query", "ref"),
    [
        ("ref=v1&version=v2", "v1"),
        ("ref=&version=v2", "v2"),
        ("ref=&ref=v1", ""),  # the first value of a key counts
        ("ref=feature%2Fside", "feature/side"),
        ("ref=v1;timeout=5", ""),  # what Go cannot read is as if it were not there
        ("ref=v1&x=%zz", ""),
    ],
)
def test_a_ref_is_read_as_kustomize_reads_it(query: str, ref: str) -> None:
    repository = parse_repository(f"https://github.com/org/repo?{query}")

    assert repository is not None
    assert repository.ref == ref


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("61", 61.0),
        ("1m30s", 90.0),
        ("0", None),
        ("-5", None),
        ("-5s", None),
        ("soon", None),
        ("", None),
    ],
)
def test_a_timeout_is_in_seconds_or_a_duration(text: str, seconds: float | None) -> None:
    repository = parse_repository(f"https://github.com/org/repo?timeout={text}")

    assert repository is not None
    assert repository.timeout == seconds


def test_a_url_is_the_same_repository_whatever_its_timeout() -> None:
    url = "https://github.com/org/repo?ref=v1"

    assert parse_repository(url) == parse_repository(f"{url}&timeout=5")


@pytest.mark.parametrize(
    ("ref", "is_pinned"),
    [("0123456789" * 4, True), ("ABCDEF6789" * 4, True), ("0123456", False), ("main", False)],
)
def test_only_a_whole_commit_pins_a_repository(ref: str, is_pinned: bool) -> None:
    repository = parse_repository(f"https://github.com/org/repo?ref={ref}")

    assert repository is not None
    assert repository.is_pinned is is_pinned


def test_a_folder_that_begins_with_dots_is_one() -> None:
    url = "https://github.com/org/repo//..data/x"

    assert parse_repository(url) == Repository("https://github.com/org/repo", "..data/x", "")
