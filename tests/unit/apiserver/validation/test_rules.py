from base64 import b64encode

import pytest

from tests.unit.apiserver.conftest import Client

SECRETS = "/api/v1/namespaces/default/secrets"
MAPS = "/api/v1/namespaces/default/configmaps"
MOST = 1024 * 1024


def b64(text: str) -> str:
    return b64encode(text.encode()).decode()


# As kube-apiserver 1.36.3 answers.
REFUSED = [
    ("dockerconfigjson", {}, "data[.dockerconfigjson]: Required value"),
    ("dockerconfigjson", {".dockerconfigjson": ""}, "unexpected end of JSON input"),
    ("dockerconfigjson", {".dockerconfigjson": b64("{")}, "unexpected end of JSON input"),
    (
        "dockerconfigjson",
        {".dockerconfigjson": b64("pa55word")},
        "\"<secret contents redacted>\": invalid character 'p' looking for beginning of value",
    ),
    (
        "dockerconfigjson",
        {".dockerconfigjson": b64("[]")},
        "json: cannot unmarshal array into Go value of type map[string]interface {}",
    ),
    ("dockercfg", {".dockercfg": b64('"a"')}, "cannot unmarshal string into Go value"),
    ("basic-auth", {"user": b64("a")}, "data[username]: Required value"),
    ("ssh-auth", {"ssh-privatekey": ""}, "data[ssh-privatekey]: Required value"),
    ("tls", {"tls.crt": b64("a")}, "data[tls.key]: Required value"),
    (
        "service-account-token",
        {},
        "metadata.annotations[kubernetes.io/service-account.name]: Required value",
    ),
]


@pytest.mark.parametrize(("kind", "data", "text"), REFUSED)
def test_a_secret_has_what_its_type_wants(client: Client, kind, data, text):
    body = {"metadata": {"name": "a"}, "type": f"kubernetes.io/{kind}", "data": data}

    code, status = client.send("POST", SECRETS, body)

    assert code == 422
    assert text in status["message"]
    assert "pa55word" not in status["message"]


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("dockerconfigjson", {".dockerconfigjson": b64('{"auths": {}}')}),
        ("dockerconfigjson", {".dockerconfigjson": b64("null")}),
        ("basic-auth", {"password": b64("a")}),
    ],
)
def test_a_secret_with_what_its_type_wants_is_kept(client: Client, kind, data):
    body = {"metadata": {"name": "a"}, "type": f"kubernetes.io/{kind}", "data": data}

    assert client.send("POST", SECRETS, body)[0] == 201


@pytest.mark.parametrize(
    ("path", "field", "value", "code"),
    [
        (MAPS, "data", "x" * MOST, 201),
        (MAPS, "data", "é" * (MOST // 2 + 1), 422),
        (MAPS, "binaryData", b64("x" * MOST), 201),
        (MAPS, "binaryData", b64("x" * (MOST + 1)), 422),
        (SECRETS, "data", b64("x" * MOST), 201),
        (SECRETS, "data", b64("x" * (MOST + 1)), 422),
    ],
)
def test_content_is_measured_in_bytes_as_decoded(client: Client, path, field, value, code):
    body = {"metadata": {"name": "a"}, field: {"key": value}}

    assert client.send("POST", path, body)[0] == code
