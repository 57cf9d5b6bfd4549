import base64

import pytest

from engine.apiserver.decoding.protobuf import decode
from engine.apiserver.errors import Refused


def field(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2, len(data)]) + data


def number(at: int, value: int) -> bytes:
    return bytes([at << 3, value])


def enveloped(api_version: str, kind: str, raw: bytes) -> bytes:
    types = field(1, api_version.encode()) + field(2, kind.encode())
    return b"k8s\x00" + field(1, types) + field(2, raw) + field(3, b"") + field(4, b"")


def test_a_secret_as_go_clients_send_it() -> None:
    metadata = field(1, b"s") + field(2, b"") + field(8, b"")
    pair = field(1, b"key") + field(2, b"\x00value")
    raw = field(1, metadata) + field(2, pair) + field(3, b"Opaque")

    assert decode(enveloped("v1", "Secret", raw)) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s"},
        "data": {"key": base64.b64encode(b"\x00value").decode()},
        "type": "Opaque",
    }


def test_a_pointer_to_zero_is_kept_and_a_plain_zero_is_not() -> None:
    spec = number(1, 0) + number(5, 0)

    assert decode(enveloped("apps/v1", "Deployment", field(2, spec)))["spec"] == {"replicas": 0}


def test_an_embedded_struct_has_no_level_of_its_own() -> None:
    reference = field(1, field(1, b"name")) + field(2, b"key")
    variable = field(1, b"A") + field(3, field(4, reference))
    spec = field(2, field(1, b"c") + field(7, variable))

    found = decode(enveloped("v1", "Pod", field(2, spec)))

    source = found["spec"]["containers"][0]["env"][0]["valueFrom"]
    assert source == {"secretKeyRef": {"name": "name", "key": "key"}}


def test_delete_options_are_known_at_every_version() -> None:
    raw = field(4, b"Background")

    assert decode(enveloped("apps/v1", "DeleteOptions", raw))["propagationPolicy"] == "Background"


@pytest.mark.parametrize("body", [b"{}", b"k8s\x00\x0a\xff", enveloped("g.io/v1", "Thing", b"")])
def test_what_is_no_such_body_is_refused(body: bytes) -> None:
    with pytest.raises(Refused) as caught:
        decode(body)

    assert caught.value.code == 400
