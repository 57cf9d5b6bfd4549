import pytest

from engine.render.secret_variables import SecretVariables
from engine.render.substitute import SubstitutionError, substitute

VARIABLES = {"name": "web", "path": "a/b/c", "empty": "", "greeting": "Hello World", "n": "2"}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("plain $name $(name) text", "plain $name $(name) text"),
        ("${name}", "web"),
        ("$${name} costs $$5", "${name} costs $5"),
        ("${empty:-default}", "default"),
        ("${unset:=${name}-x}", "web-x"),
        ("${name:+other}", "web"),
        ("${#greeting}", "11"),
        ("${greeting:6}", "World"),
        ("${greeting:${n}:3}", "llo"),
        ("${greeting: -5}", "Hello World"),
        ("${greeting^^} ${greeting,,}", "HELLO WORLD hello world"),
        ("${name^} ${greeting,}", "Web hello World"),
        ("${path#*/} ${path##*/} ${path%/*} ${path%%/*}", "b/c c a/b a"),
        ("${path/\\//-} ${path//\\//-}", "a-b/c a-b-c"),
        ("${path/#a/X} ${path/%c/X} ${path/b}", None),
    ],
)
def test_variables_are_replaced_as_flux_does(text: str, wanted: str | None) -> None:
    if wanted is None:
        with pytest.raises(SubstitutionError):
            substitute(text, VARIABLES, True)
    else:
        assert substitute(text, VARIABLES, True) == wanted


def test_an_unset_variable_is_named_with_its_place_in_strict_mode() -> None:
    with pytest.raises(SubstitutionError, match=r'\(strict mode\): "nope" at 2:4'):
        substitute("a: b\nc: ${nope}", VARIABLES, True)


def test_all_that_is_wrong_is_told_and_the_same_twice_in_a_line_once() -> None:
    with pytest.raises(SubstitutionError) as caught:
        substitute("a: ${x}\nb: ${name:2:-5}\nc: ${y:-${x}}", VARIABLES, True)

    assert str(caught.value).splitlines() == [
        'variable not set (strict mode): "x" at 1:4',
        "${name}: negative length -5 of a substring at 2:4",
        'variable not set (strict mode): "x" at 3:9',
    ]
    assert [each.unset for each in caught.value.problems] == ["x", "", "x"]


def test_an_unset_variable_reads_as_empty_otherwise() -> None:
    assert substitute("a${nope}b", {}, False) == "ab"


@pytest.mark.parametrize("text", ["${", "${}", "${name", "${name!}", "${name:}", "${#}", "${a b}"])
def test_bad_syntax_is_an_error_with_its_place(text: str) -> None:
    with pytest.raises(SubstitutionError, match=r" at 1:\d+"):
        substitute(text, VARIABLES, True)


def test_arguments_are_evaluated_even_where_they_are_not_needed() -> None:
    with pytest.raises(SubstitutionError, match='"nope"'):
        substitute("${name:-${nope}}", VARIABLES, True)


def test_a_negative_length_is_an_error_not_a_crash() -> None:
    with pytest.raises(SubstitutionError, match="negative length -2"):
        substitute("${greeting:4:-2}", VARIABLES, True)


def test_nesting_is_bounded() -> None:
    with pytest.raises(SubstitutionError, match="nested deeper"):
        substitute("${a:-" * 200 + "}" * 200, {}, False)


@pytest.mark.parametrize(
    "text", ["${x//a/${x//a/${x}}}", "${x}" * 4000, "${y:=" + "${x}" * 4000 + "}"]
)
def test_a_text_that_grows_beyond_all_bounds_is_refused(text: str) -> None:
    with pytest.raises(SubstitutionError, match="more than 8,388,608 characters"):
        substitute(text, {"x": "a" * 3000}, strict=True)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("${name}-${path}", []),
        ("$${pw} ${#name}", []),
        ("a ${pw} b ${pw}", ["hunter2"]),
        ("${pw^^} ${pw:0:4} ${pw/unt/ott} ${pw#hu}", ["HUNTER2", "hunt", "hotter2", "nter2"]),
        ("${pw:-x} ${unset:-x} ${empty_pw:-public}", ["hunter2"]),
        ("${unset:=a-${pw%2}}", ["hunter", "a-hunter"]),
        ("${greeting/World/${pw}}", ["hunter2", "Hello hunter2"]),
        ("${path//${pw}/x}", ["hunter2"]),  # it is not in the path: that stays as it is
        ("${greeting:${n}:${pin}}", ["3", "llo"]),
        ("${pw:0:2}${pin}${pw:2:2}", ["hu", "3", "nt", "hu3nt"]),
        ("${pw:0:2} ${pin}", ["hu", "3"]),
    ],
)
def test_what_is_made_of_a_secret_variable_is_noted(text: str, made: list[str]) -> None:
    secret = SecretVariables({"pw", "pin", "empty_pw"})
    variables = {**VARIABLES, "pw": "hunter2", "pin": "3", "empty_pw": ""}

    substitute(text, variables, True, secret)

    assert list(secret.made) == made


def test_what_was_made_of_a_secret_before_something_else_is_wrong_is_noted() -> None:
    secret = SecretVariables({"pw"})

    with pytest.raises(SubstitutionError):
        substitute("${pw^^} ${nope}", {"pw": "hunter2"}, True, secret)

    assert list(secret.made) == ["HUNTER2"]
