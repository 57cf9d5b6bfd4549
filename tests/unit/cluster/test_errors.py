import orjson
import pytest

from engine.cluster.errors import (
    AlreadyExists,
    ApiError,
    Cause,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    error_of,
    error_of_status,
)


@pytest.mark.parametrize(
    ("code", "reason", "wanted"),
    [
        (401, "Unauthorized", Unauthorized),
        (403, "Forbidden", Forbidden),
        (404, "NotFound", NotFound),
        (409, "Conflict", Conflict),
        (409, "AlreadyExists", AlreadyExists),
        (410, "Expired", Gone),
        (422, "Invalid", Invalid),
        (429, "TooManyRequests", TooManyRequests),
        (503, "ServiceUnavailable", Unavailable),
        (500, "InternalError", ApiError),
    ],
)
def test_a_status_becomes_the_error_of_its_kind(
    code: int, reason: str, wanted: type[ApiError]
) -> None:
    body = {"kind": "Status", "code": code, "reason": reason, "message": "why"}
    error = error_of(code, orjson.dumps(body))

    assert type(error) is wanted
    assert (error.status, error.reason, str(error)) == (code, reason, "why")


def test_causes_and_the_time_to_come_again_are_kept() -> None:
    cause = {"reason": "FieldManagerConflict", "message": 'conflict with "me"', "field": ".data.x"}
    details = {"causes": [cause], "retryAfterSeconds": 3}
    error = error_of_status({"code": 409, "message": "m", "details": details})

    assert error.causes == (Cause(".data.x", "FieldManagerConflict", 'conflict with "me"'),)
    assert error.retry_after == 3


def test_an_answer_that_is_no_status_is_quoted() -> None:
    error = error_of(502, b"<html>bad gateway</html>", "7")

    assert (str(error), error.retry_after) == ("HTTP 502: <html>bad gateway</html>", 7)
