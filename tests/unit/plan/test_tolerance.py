import pytest

from engine.plan.tolerance import ANNOTATION, asked, tolerance
from tests.support.build import config


def marked(word: str) -> dict[str, object]:
    obj = config("a")
    return {**obj, "metadata": {**obj["metadata"], "annotations": {ANNOTATION: word}}}


@pytest.mark.parametrize(
    ("own", "kustomization", "wanted"),
    [
        (None, None, "correct"),
        (None, "warn", "warn"),
        ("ignore", None, "ignore"),
        ("correct", "ignore", "correct"),
        ("Warn", "ignore", "warn"),
        (None, "perhaps", "correct"),
    ],
)
def test_the_objects_own_word_wins_and_what_is_no_word_corrects(
    own: str | None, kustomization: str | None, wanted: str
) -> None:
    obj, ks = (config("a") if word is None else marked(word) for word in (own, kustomization))

    assert tolerance(obj, ks) == wanted


def test_it_is_asked_for_in_any_case_of_letters() -> None:
    assert asked(marked("IGNORE")) == "ignore"
    assert asked(config("a")) == ""
