import pytest

from engine.objects.redact import MASK, mask, masked, masker, secrets_of

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "a", "annotations": {LAST_APPLIED: '{"data":{}}', "b": "c"}},
    "data": {"password": "aHVudGVyMg==", "binary": "/w=="},
    "stringData": {"user": "admin"},
}
SHOWN = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "a", "annotations": {LAST_APPLIED: MASK, "b": "c"}},
    "data": {"password": MASK, "binary": MASK},
    "stringData": {"user": MASK},
}


@pytest.mark.parametrize(
    ("obj", "shown"),
    [
        (SECRET, SHOWN),
        ({"kind": "List", "items": [SECRET, 1]}, {"kind": "List", "items": [SHOWN, 1]}),
        ({**SECRET, "data": "x"}, {**SHOWN, "data": MASK}),
        ({**SECRET, "kind": "ConfigMap"}, {**SECRET, "kind": "ConfigMap"}),
        ({**SECRET, "apiVersion": "x/v1"}, {**SECRET, "apiVersion": "x/v1"}),
        (
            {"apiVersion": "v1", "kind": "Secret", "metadata": None, "data": None},
            {"apiVersion": "v1", "kind": "Secret", "metadata": None, "data": None},
        ),
    ],
)
def test_only_the_values_of_secrets_are_masked(obj, shown):
    assert masked(obj) == shown


def test_masking_leaves_the_object_as_it_is():
    assert SECRET["data"]["password"] == "aHVudGVyMg=="
    masked(SECRET)
    assert SECRET["data"]["password"] == "aHVudGVyMg=="


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("login with hunter2 failed", "login with *** failed"),
        ("hunter2hunter22", "******"),
        ("data aHVudGVyMg== and aHVudGVyMg", "data *** and ***"),
        ("https://u:p%40ss%2Fword@host", "https://u:***@host"),
        ("short ab stays", "short ab stays"),
        ("line one\nof two", "***"),
        ("second: of two", "second: ***"),
        ('json "line one\\nof two"', 'json "***"'),
        ("nothing here", "nothing here"),
    ],
)
def test_every_form_of_a_secret_is_masked_the_longest_first(text, shown):
    assert mask(text, ["hunter2", "hunter22", "p@ss/word", "ab", "", "line one\nof two"]) == shown


def test_without_secrets_the_text_stays():
    assert mask("a b", []) == "a b"


def test_the_secrets_of_a_secret_are_its_values_decoded_too():
    assert secrets_of(SECRET) == ["aHVudGVyMg==", "/w==", "hunter2", "admin"]
    assert secrets_of({"apiVersion": "v1", "kind": "Secret"}) == []
    assert secrets_of({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"}}) == []


def test_a_malformed_secret_has_secrets_too():
    odd = {"data": {"a": {"b": ["nested", 4711]}}, "stringData": "whole", "datas": {"c": "typed"}}

    found = secrets_of({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "n"}, **odd})

    assert sorted(found) == ["4711", "nested", "typed", "whole"]


def test_a_masker_knows_secrets_that_come_later():
    secrets = []
    hide = masker(secrets)

    before = hide("hunter2")
    secrets += ["hunter2"]

    assert (before, hide("hunter2 and aHVudGVyMg==")) == ("hunter2", "*** and ***")


HOSTILE = {
    "one beginning": [f"aaa{number:07}" for number in range(60_000)],
    "many lines": ["\n".join(f"aaa{number:07}" for number in range(80_000))],
    "many lengths": ["a" * length + "b" for length in range(3, 1_400)],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_secrets_of_a_megabyte_hold_nobody_up(name):
    """They are masked by the event loop itself; a text that takes long is hidden whole."""
    hide = masker(HOSTILE[name])

    assert hide("a" * 20_000) in ("a" * 20_000, "***")
    assert hide("nothing of it") == "nothing of it"
    assert hide(f"so {HOSTILE[name][-1].splitlines()[-1]}, it says") == "so ***, it says"


def test_the_longest_secret_that_stands_somewhere_is_masked_whatever_came_first():
    hide = masker(["abc", "abcdef", "abcd", "xyz"])

    assert hide("abcdefg abcde abcab xyzabc") == "***g ***e ***ab ******"
