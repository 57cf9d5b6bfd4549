"""Bodies in Kubernetes' protobuf form, as kubectl and Go clients send their typed objects.

Only reading: answers are JSON, which every client takes.

The table: `kinds` {API version/kind: message} and `messages` {name: {number: [name, type, keep]}}.
type: `s` string, `b` bytes, `t` bool, `i` whole number, `d` double, or the full name of a message;
`*` before it: repeated; `@`: a map of strings to it.  keep: the sum of KEPT, INLINE and PRESENT.
Source: apimachinery runtime/serializer/protobuf; `tables/protobuf.json`, which
tests/controlplane/derive_protobuf.py writes.
"""

import base64
import struct
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from engine.apiserver.errors import bad_request
from engine.apiserver.state import micro_timestamp, timestamp

MEDIA = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
TABLE = Path(__file__).parent / "tables" / "protobuf.json"
KEPT = 1  # Go writes a zero value into JSON as well: a pointer, or no `omitempty`
INLINE = 2  # the message's fields stand in JSON beside the others: an embedded struct
PRESENT = 4  # an empty object has the field: a struct that is no pointer, or no `omitempty`
_META = "k8s.io.apimachinery.pkg.apis.meta.v1."

Field = tuple[int, int | bytes]
"""A field's number and its value: a varint or 64-bit number, or bytes."""


@cache
def table() -> Any:
    """`tables/protobuf.json`, read once."""
    return orjson.loads(TABLE.read_bytes())


def message_name(definition: str) -> str:
    """`k8s.io.api.apps.v1.Deployment` of `io.k8s.api.apps.v1.Deployment`."""
    return f"k8s.io{definition.removeprefix('io.k8s')}".replace("-", "_")


def is_special(message: str) -> bool:
    """Whether a message stands in JSON as something else than its fields: a time, an amount."""
    return message in _SPECIAL


def decode(body: bytes) -> dict[str, Any]:
    """The object in a body.  Raises Refused (400) for what is none, or of an unknown kind."""
    if not body.startswith(_MAGIC):
        raise bad_request("the body does not begin with Kubernetes' protobuf mark")
    try:
        envelope = dict(_fields(body[len(_MAGIC) :]))
        type_meta = dict(_fields(_bytes(envelope.get(1, b""))))
        api_version, kind = (_bytes(type_meta.get(n, b"")).decode() for n in (1, 2))
        # Every group knows DeleteOptions under its own version.
        versioned = "v1/DeleteOptions" if kind == "DeleteOptions" else f"{api_version}/{kind}"
        name = table()["kinds"].get(versioned)
        if name is None:
            raise bad_request(f"no protobuf form is known of {api_version}, Kind={kind}")
        obj = _message(_bytes(envelope.get(2, b"")), name)
    except (IndexError, ValueError, struct.error) as error:
        raise bad_request(f"the protobuf body is damaged: {error}") from error
    return {**obj, "apiVersion": api_version, "kind": kind}


def _fields(data: bytes) -> Iterator[Field]:
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        wire = tag & 7
        value: int | bytes
        if wire == 0:
            value, position = _varint(data, position)
        elif wire == 2:
            size, position = _varint(data, position)
            value, position = _taken(data, position, size)
        elif wire in (1, 5):
            value, position = _taken(data, position, 8 if wire == 1 else 4)
        else:
            raise ValueError(f"wire type {wire}")
        yield tag >> 3, value


def _taken(data: bytes, position: int, size: int) -> tuple[bytes, int]:
    end = position + size
    if end > len(data):
        raise ValueError(f"{size} bytes are announced, {len(data) - position} are left")
    return data[position:end], end


def _varint(data: bytes, position: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, position
        shift += 7


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number where bytes are expected")  # noqa: TRY004 - the data are wrong
    return value


def _message(data: bytes, name: str) -> Any:
    special = _SPECIAL.get(name)
    if special is not None:
        return special(data)
    fields: Mapping[str, Any] = table()["messages"][name]
    out: dict[str, Any] = {}
    for number, value in _fields(data):
        known = fields.get(str(number))
        if known is None:
            continue
        field, kind, keep = known
        if kind[0] == "*":
            out.setdefault(field, []).append(_value(value, kind[1:]))
        elif kind[0] == "@":
            pair = dict(_fields(_bytes(value)))
            key = _bytes(pair.get(1, b"")).decode()
            out.setdefault(field, {})[key] = _value(pair.get(2, b""), kind[1:])
        else:
            decoded = _value(value, kind)
            if keep & INLINE:
                out.update(decoded)
            elif keep & KEPT or decoded not in ("", 0, {}, None):
                out[field] = decoded
    return out


def _value(value: int | bytes, kind: str) -> Any:
    match kind:
        case "s":
            return _bytes(value).decode()
        case "b":
            return base64.b64encode(_bytes(value)).decode()
        case "t":
            return bool(value)
        case "i":
            return _signed(value)
        case "d":
            return struct.unpack("<d", _bytes(value))[0]
    return _message(_bytes(value), kind)


def _signed(value: int | bytes) -> int:
    if isinstance(value, bytes):
        return 0
    return value - (1 << 64) if value >> 63 else value


def _seconds(data: bytes) -> float | None:
    found = dict(_fields(data))
    if not found.get(1):
        return None
    return _signed(found[1]) + _signed(found.get(2, 0)) / 1e9


def _time(data: bytes) -> str | None:
    seconds = _seconds(data)
    return None if seconds is None else timestamp(seconds)


def _micro_time(data: bytes) -> str | None:
    seconds = _seconds(data)
    return None if seconds is None else micro_timestamp(seconds)


def _quantity(data: bytes) -> str:
    return _bytes(dict(_fields(data)).get(1, b"")).decode()


def _int_or_string(data: bytes) -> int | str:
    found = dict(_fields(data))
    if found.get(1, 0) == 1:
        return _bytes(found.get(3, b"")).decode()
    return _signed(found.get(2, 0))


def _raw(data: bytes) -> Any:
    raw = _bytes(dict(_fields(data)).get(1, b""))
    return orjson.loads(raw) if raw else None


def _items(data: bytes) -> list[str]:
    return [_bytes(value).decode() for number, value in _fields(data) if number == 1]


def _duration(data: bytes) -> str:
    return f"{_signed(dict(_fields(data)).get(1, 0)) / 1e9:g}s"


_CRD = "k8s.io.apiextensions_apiserver.pkg.apis.apiextensions.v1."


def _schema_or_bool(data: bytes) -> Any:
    found = dict(_fields(data))
    if 2 in found:
        return _message(_bytes(found[2]), f"{_CRD}JSONSchemaProps")
    return bool(found.get(1, 0))


def _schema_or_array(data: bytes) -> Any:
    schemas = [_message(_bytes(value), f"{_CRD}JSONSchemaProps") for _, value in _fields(data)]
    return schemas[0] if len(schemas) == 1 else schemas


_SPECIAL: Mapping[str, Any] = {
    f"{_META}Time": _time,
    f"{_META}MicroTime": _micro_time,
    f"{_META}Duration": _duration,
    f"{_META}FieldsV1": _raw,
    f"{_META}Verbs": _items,
    "k8s.io.apimachinery.pkg.api.resource.Quantity": _quantity,
    "k8s.io.apimachinery.pkg.api.resource.QuantityValue": _quantity,
    "k8s.io.apimachinery.pkg.runtime.RawExtension": _raw,
    "k8s.io.apimachinery.pkg.util.intstr.IntOrString": _int_or_string,
    "k8s.io.api.authentication.v1.ExtraValue": _items,
    "k8s.io.api.authorization.v1.ExtraValue": _items,
    "k8s.io.api.certificates.v1.ExtraValue": _items,
    f"{_CRD}JSON": _raw,
    f"{_CRD}JSONSchemaPropsOrBool": _schema_or_bool,
    f"{_CRD}JSONSchemaPropsOrArray": _schema_or_array,
    f"{_CRD}JSONSchemaPropsOrStringArray": _schema_or_array,
}
