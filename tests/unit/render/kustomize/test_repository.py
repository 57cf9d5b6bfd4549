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
