"""What strangers answer is read, whatever it is."""

import pytest

from engine.cluster.outbound import Answer
from plugins.clouds.answers import Refused, check, instant_in, seconds_in, words

DEPTH = 1000


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":' * DEPTH + b'"x"' + b"}" * DEPTH,
        b'{"errors":' * DEPTH + b'"x"' + b"}" * DEPTH,
        b"[" * DEPTH + b'"x"' + b"]" * DEPTH,
    ],
    ids=["error", "errors", "list"],
)
def test_an_answer_that_is_nested_without_end_is_a_refusal_like_others(body: bytes) -> None:
    with pytest.raises(Refused, match=r"^Vault: HTTP 400$"):
        check(Answer(400, {}, body), "Vault")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"errors": ["permission denied"]}', "permission denied"),
        (b'{"error": {"message": "no", "details": []}}', "no"),
        (b'[{"error": {"code": 403, "message": "no"}}]', "no"),
        (b'{"__type": "com.x#AccessDenied", "message": "no"}', "AccessDenied: no"),
        (b"<Error><Code>A</Code><Message>b &amp; c</Message></Error>", "A: b & c"),
    ],
)
def test_what_services_say_is_found_where_they_say_it(body: bytes, said: str) -> None:
    assert words(body) == said


@pytest.mark.parametrize("text", ["soon", "9999-99-99T00:00:00Z", ""])
def test_what_is_no_time_is_a_refusal(text: str) -> None:
    with pytest.raises(Refused, match="until"):
        instant_in({"until": text}, "until", "Vault")


@pytest.mark.parametrize("seconds", ["soon", "nan", "inf", [1], 10**400])
def test_what_is_no_number_of_seconds_is_a_refusal(seconds: object) -> None:
    with pytest.raises(Refused, match="'expires_in' is no number of seconds"):
        seconds_in({"expires_in": seconds}, "expires_in", "Vault", 60.0)


@pytest.mark.parametrize(
    ("body", "seconds"), [({}, 60.0), ({"s": 0}, 60.0), ({"s": "30"}, 30.0), ({"s": 5}, 5.0)]
)
def test_a_duration_that_is_not_said_is_the_usual_one(
    body: dict[str, object], seconds: float
) -> None:
    assert seconds_in(body, "s", "Vault", 60.0) == seconds
