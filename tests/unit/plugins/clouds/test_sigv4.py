"""Signature Version 4 against what Amazon published.

Source of the signatures: the AWS Signature Version 4 test suite (service `service`), and the
example of the IAM request in the AWS General Reference.
"""

import pytest

from plugins.clouds.sigv4 import Credentials, Signer

SUITE = Signer(
    Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), "service", "us-east-1"
)
AT = 1440938160.0  # 2015-08-30T12:36:00Z
HOST = "https://example.amazonaws.com"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def signature_of(headers: dict[str, str]) -> str:
    return headers["Authorization"].partition("Signature=")[2]


@pytest.mark.parametrize(
    ("name", "method", "url", "headers", "body", "wanted"),
    [
        (
            "get-vanilla",
            "GET",
            f"{HOST}/",
            {},
            b"",
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            "get-vanilla-query-order-key-case",
            "GET",
            f"{HOST}/?Param2=value2&Param1=value1",
            {},
            b"",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "get-utf8",
            "GET",
            f"{HOST}/ሴ",
            {},
            b"",
            "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
        ),
        (
            "post-vanilla",
            "POST",
            f"{HOST}/",
            {},
            b"",
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        (
            "post-x-www-form-urlencoded",
            "POST",
            f"{HOST}/",
            FORM,
            b"Param1=value1",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
        (
            "get-header-value-trim",
            "GET",
            f"{HOST}/",
            {"My-Header1": " value1", "My-Header2": ' "a   b   c"'},
            b"",
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and value.islower() else "",
)
def test_a_request_has_the_signature_that_amazon_published(
    name: str, method: str, url: str, headers: dict[str, str], body: bytes, wanted: str
) -> None:
    assert signature_of(SUITE.headers(method, url, body, AT, headers)) == wanted, name


def test_the_example_of_the_general_reference_has_its_signature() -> None:
    iam = Signer(SUITE.credentials, "iam", "us-east-1")
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    url = "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08"

    signed = iam.headers("GET", url, b"", AT, headers)

    assert signed["Authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date, "
        "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    )
    assert signed["X-Amz-Date"] == "20150830T123600Z"


def test_a_session_is_sent_and_signed() -> None:
    signer = Signer(Credentials("AKID", "secret", "the-session"), "kms", "eu-west-1")

    signed = signer.headers("POST", f"{HOST}/", b"{}", AT, {})

    assert signed["X-Amz-Security-Token"] == "the-session"
    assert "SignedHeaders=host;x-amz-date;x-amz-security-token," in signed["Authorization"]


def test_credentials_show_no_secret_of_theirs() -> None:
    assert "wJalr" not in repr(SUITE)
