import pytest

from engine.source.semver import Constraint, Version

PRECEDENCE = [
    *("0.0.1", "0.9.0", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta"),
    *("1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "v1.2.0", "1.10.0", "2.0.0"),
]


def test_versions_are_ordered_by_precedence() -> None:
    versions = [Version.parse(text) for text in PRECEDENCE]

    assert sorted({*versions}) == versions


@pytest.mark.parametrize(
    "text", ["1", "1.2", "v1", "1.2.3.4", "01.2.3", "1.2.3-01", "1.2.3-", "vv1.2.3", "latest", ""]
)
def test_what_is_no_strict_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a semantic version"):
        Version.parse(text)


def test_build_metadata_does_not_count() -> None:
    assert Version.parse("1.0.0+a") == Version.parse("v1.0.0+b")
    assert hash(Version.parse("1.0.0+a")) == hash(Version.parse("1.0.0"))


@pytest.mark.parametrize(
    ("constraint", "inside", "outside"),
    [
        ("1.2.3", "1.2.3 v1.2.3 1.2.3+x", "1.2.4 1.2.3-rc.1"),
        ("=1.2", "1.2.0 1.2.9", "1.3.0 1.1.9 1.2.3-rc.1"),
        ("1.x", "1.0.0 1.9.9", "2.0.0 0.9.0"),
        ("1.2.*", "1.2.0 1.2.9", "1.3.0"),
        ("*", "0.0.1 9.9.9", "1.0.0-rc.1"),
        ("", "0.0.1 9.9.9", "1.0.0-rc.1"),
        ("!=1.2.3", "1.2.4 0.1.0", "1.2.3"),
        ("!=1.2", "1.3.0 1.1.0", "1.2.0 1.2.5"),
        ("!=4.x", "3.0.0 5.1.0", "4.0.0 4.7.1"),
        (">1.2.3", "1.2.4 2.0.0", "1.2.3 1.0.0"),
        (">1.2", "1.3.0 2.0.0", "1.2.9 1.2.0"),
        (">1", "2.0.0", "1.9.9"),
        ("<1.2", "1.1.9 0.1.0", "1.2.0 1.1.0-rc.1"),
        ("<=1.2", "1.2.9 1.0.0", "1.3.0"),
        ("<=1", "1.9.9", "2.0.0"),
        ("<=1.2.3", "1.2.3", "1.2.4"),
        (">= 1.2, < 2.0", "1.2.0 1.99.0", "2.0.0 1.1.9"),
        (">=1.2 <2.0", "1.2.0 1.99.0", "2.0.0 1.1.9"),
        ("=>1.2 =<1.4", "1.2.0 1.4.9", "1.5.0"),
        ("1.2 - 1.4.5", "1.2.0 1.4.5", "1.4.6 1.1.0"),
        ("1.2 - 1.4", "1.4.9", "1.5.0"),
        ("<1.0.0 || >=2.0.0 <3", "0.9.0 2.5.0", "1.5.0 3.0.0"),
        ("~1.2.3", "1.2.3 1.2.9", "1.3.0 1.2.2"),
        ("~1.2", "1.2.0", "1.3.0"),
        ("~>1", "1.9.0", "2.0.0"),
        ("^1.2.3", "1.2.3 1.9.0", "2.0.0 1.2.2"),
        ("^1", "1.0.0 1.9.9", "2.0.0"),
        ("^0.2.3", "0.2.3 0.2.9", "0.3.0 0.2.2"),
        ("^0.2", "0.2.0 0.2.9", "0.3.0"),
        ("^0.0.3", "0.0.3", "0.0.4"),
        ("^0.0", "0.0.9", "0.1.0"),
        ("^0", "0.9.9", "1.0.0"),
        (">=1.2.3-0", "1.2.3-rc.1 1.3.0-beta 2.0.0", "1.2.2"),
        (">=1.0.0-0 <2.0.0", "1.5.0-rc.1 1.5.0", "2.0.0"),
        ("~1.2.3-beta.2", "1.2.3-beta.2 1.2.3-beta.4 1.2.4", "1.2.3-beta.1 1.3.0"),
        ("v1.x", "v1.5.0", "2.0.0"),
    ],
)
def test_a_range_holds_what_it_says(constraint: str, inside: str, outside: str) -> None:
    found = Constraint(constraint)

    given = (inside + " " + outside).split()
    assert [text for text in given if found.holds(Version.parse(text))] == inside.split()


@pytest.mark.parametrize("text", ["a", "1.2.3.4", ">>1", "1..2", "1 |2", "> ", "1.2.3 foo", "1|2"])
def test_what_is_no_range_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="improper constraint"):
        Constraint(text)


def test_the_newest_are_all_of_the_same_precedence() -> None:
    found = Constraint("1.x").newest(["v1.0.0", "1.2.0+a", "main", "v1.2.0", "2.0.0", "1.1.0"])

    assert found == ["1.2.0+a", "v1.2.0"]


def test_a_range_with_many_blanks_is_answered_at_once() -> None:
    with pytest.raises(ValueError, match="improper constraint"):
        Constraint("1" + "   1" * 50 + " !")
    assert Constraint("1  -   2 || " + "   >1" * 50).holds(Version.parse("2.0.0"))


def test_a_tag_with_an_endless_number_is_no_version() -> None:
    endless = "1.0.0-" + "9" * 5000

    assert Constraint(">=1.0.0-0").newest(["1.0.0-1", endless, "1.0.0-2"]) == ["1.0.0-2"]


@pytest.mark.parametrize("text", ["1.x," * 50_000 + "1.x", "1.x || " * 30_000 + "1.x"])
def test_a_range_of_a_megabyte_is_refused_and_not_quoted(text: str) -> None:
    """It held the engine for a minute."""
    with pytest.raises(
        ValueError, match=r"^improper constraint: it has more than 1024 characters$"
    ):
        Constraint(text)
