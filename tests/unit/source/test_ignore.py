import shutil
import subprocess
from pathlib import Path

import pytest

from engine.source.ignore import Pattern, rules


def ignored(text: str, path: str) -> bool:
    """Whether a spec.ignore of `text` drops `path`; a folder ends in a slash."""
    return rules([], text).ignores(path.rstrip("/").split("/"), path.endswith("/"))


@pytest.mark.parametrize(
    ("pattern", "dropped", "kept"),
    [
        ("a.yaml", "a.yaml x/a.yaml a.yaml/", "b.yaml xa.yaml"),
        ("*.md", "a.md x/y/a.md", "a.mdx md"),
        ("docs/", "docs/ docs/a x/docs/a", "docs x/docs"),
        ("/docs", "docs docs/ docs/a", "x/docs"),
        ("/docs/", "docs/ docs/a", "docs x/docs/"),
        ("a/b", "a/b a/b/c", "x/a/b a/c"),
        ("a/*.yaml", "a/x.yaml", "a/b/x.yaml x.yaml"),
        ("a/**/b", "a/b a/x/b a/x/y/b", "a b x/a/b"),
        ("**/b", "b a/b a/x/b", "bb"),
        ("a/**", "a/b a/b/c", "a/ a b"),
        ("?.yaml", "a.yaml", "ab.yaml"),
        ("[a-c].yaml", "a.yaml c.yaml", "d.yaml"),
        ("[^a-c].yaml", "d.yaml", "a.yaml"),
        ("\\#x", "#x", "x"),
        ("\\!x", "!x", "x"),
        ("[a.yaml", "", "a.yaml [a.yaml"),
        ("a*b*c*.y?ml", "abc.yaml aXbXbXcX.yml.yaml", "acb.yaml xabc.yaml abc.yaml.x"),
        ("*ab*ab*", "abab xabxabx", "ab aab abba"),
        ("a**b", "ab aXb", "a b"),
        ("a ", "a", "b"),
        ("# a", "", "a"),
        ("/*\n!/deploy", "x a/b", "deploy deploy/ deploy/a/b"),
        ("/*\n!/deploy\n/deploy/**/*.md", "x deploy/a.md deploy/x/a.md", "deploy/a.yaml"),
        ("/*\n!/apps/prod", "x apps/", "apps/prod/ apps/prod/a.yaml"),
        ("*.yaml\n!a.yaml", "b.yaml", "a.yaml x/a.yaml"),
        ("!a.yaml\n*.yaml", "a.yaml b.yaml", "c"),
    ],
)
def test_a_pattern_drops_what_flux_drops(pattern: str, dropped: str, kept: str) -> None:
    paths = (dropped + " " + kept).split()

    assert [path for path in paths if ignored(pattern, path)] == dropped.split()


@pytest.mark.parametrize(
    "path",
    [".git/config", ".gitignore", "x/.gitmodules", ".gitattributes", "a.jpg", "x/a.tar.gz"],
)
def test_by_default_git_and_media_are_dropped(path: str) -> None:
    assert rules([], None).ignores(path.split("/"), is_folder=False)


def test_own_patterns_replace_the_default_sets_but_not_gits() -> None:
    found = rules([((), "docs/")], None)

    assert not found.ignores(["a.jpg"], is_folder=False)
    assert not found.ignores([".github", "x.yaml"], is_folder=False)
    assert found.ignores([".gitignore"], is_folder=False)


def test_a_nested_file_speaks_for_its_folder_only_and_the_spec_comes_last() -> None:
    found = rules([((), "*.md"), (("a",), "!x.md\n/b.yaml")], "y.md\n!/a/b.yaml")

    assert found.ignores(["x.md"], is_folder=False)
    assert not found.ignores(["a", "x.md"], is_folder=False)
    assert not found.ignores(["b.yaml"], is_folder=False)
    assert not found.ignores(["a", "b.yaml"], is_folder=False)
    assert found.ignores(["a", "y.md"], is_folder=False)


def test_rules_are_told_apart_by_their_key() -> None:
    one, two = rules([(("a",), "x")], None), rules([((), "x")], None)

    assert one.key != two.key
    assert one.key == rules([(("a",), "x")], None).key


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
def test_git_itself_agrees_where_flux_does_not_differ(tmp_path: Path) -> None:
    patterns = "*.md\n/docs/\na/**/b\n**/c\n/d/*\n!/d/keep.yaml\ne.?aml\n[fg]h\nfoo/bar\n"
    paths = [
        "x.md",
        "y/x.md",
        "docs/a",
        "x/docs/a",
        "a/b",
        "a/x/b",
        "a/x/y/b",
        "c",
        "x/c",
        "d/x",
        "d/keep.yaml",
        "e.yaml",
        "e.xaml",
        "eyaml",
        "fh",
        "gh",
        "hh",
        "foo/bar",
        "foo/bar/x",
        "x/foo/bar",
    ]
    (tmp_path / ".gitignore").write_text(patterns)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    command = ["git", "-C", tmp_path, "check-ignore", "--no-index", "--stdin"]
    told = subprocess.run(command, input="\n".join(paths), capture_output=True, text=True)

    assert [path for path in paths if ignored(patterns, path)] == told.stdout.split()


def test_a_pattern_remembers_its_line() -> None:
    assert Pattern.parse("!/a/", ("x",)).line == "!/a/"


def test_a_pattern_with_many_stars_is_answered_at_once() -> None:
    assert not ignored("*a" * 100 + "*b", "a" * 250)
    assert ignored("*a" * 100, "a" * 250)
