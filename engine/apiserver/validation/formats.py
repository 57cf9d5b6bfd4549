"""Names and formatted strings: what Kubernetes accepts, and its words for what it does not.

Source: apimachinery util/validation, kube-openapi strfmt.
"""

import ipaddress
import re
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson
import re2

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")
_LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?\Z")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]\Z")
_CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]+\Z")

SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.',"
    " and must start and end with an alphanumeric character (e.g. 'example.com', regex used for"
    " validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must"
    " start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for"
    " validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
LABEL_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.',"
    " and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or"
    " '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
NAME_PART_RULE = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end"
    " with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for"
    " validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
CONFIG_KEY_RULE = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',"
    "  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)


@lru_cache(maxsize=4096)
def subdomain_faults(name: str) -> tuple[str, ...]:
    """What keeps a name from being an RFC 1123 subdomain."""
    return _faults(name, 253, _SUBDOMAIN, SUBDOMAIN_RULE)


@lru_cache(maxsize=4096)
def label_faults(name: str) -> tuple[str, ...]:
    """What keeps a name from being an RFC 1123 label."""
    return _faults(name, 63, _LABEL, LABEL_RULE)


def path_segment_faults(name: str) -> tuple[str, ...]:
    """What keeps a name from being one step of a path; RBAC's names follow this rule only."""
    if name in (".", ".."):
        return (f"may not be '{name}'",)
    return tuple(f"may not contain '{each}'" for each in "/%" if each in name)


@lru_cache(maxsize=8192)
def label_value_faults(value: str) -> tuple[str, ...]:
    """What keeps a string from being the value of a label."""
    return _faults(value, 63, _LABEL_VALUE, LABEL_VALUE_RULE)


def config_key_faults(key: str) -> tuple[str, ...]:
    """What keeps a string from being a key of a ConfigMap or Secret."""
    return _faults(key, 253, _CONFIG_KEY, CONFIG_KEY_RULE)


@lru_cache(maxsize=8192)
def qualified_name_faults(key: str) -> tuple[str, ...]:
    """What keeps a string from being a key of a label or annotation: `prefix/name`."""
    prefix, slash, name = key.rpartition("/")
    faults: list[str] = []
    if slash and not prefix:
        faults.append("prefix part must be non-empty")
    faults.extend(f"prefix part {fault}" for fault in subdomain_faults(prefix) if slash and prefix)
    if not name:
        faults.append("name part must be non-empty")
    elif len(name) > 63:
        faults.append("name part must be no more than 63 bytes")
    if not _QUALIFIED.match(name):
        faults.append(NAME_PART_RULE)
    return tuple(faults)


def json_object_fault(data: bytes) -> str:
    """What keeps bytes from being a JSON object or null, much as Go says it; "" if nothing."""
    if not data.strip():
        return "unexpected end of JSON input"
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        found = error.doc[error.pos : error.pos + 1]
        if not found:
            return "unexpected end of JSON input"
        return f"invalid character {found!r} looking for beginning of value"
    if value is None or isinstance(value, dict):
        return ""
    kinds = {bool: "bool", str: "string", list: "array"}
    found = kinds.get(type(value), "number")
    return f"json: cannot unmarshal {found} into Go value of type map[string]interface {{}}"


def _faults(text: str, longest: int, pattern: re.Pattern[str], rule: str) -> tuple[str, ...]:
    faults = [f"must be no more than {longest} bytes"] if len(text) > longest else []
    return (*faults, rule) if not pattern.match(text) else tuple(faults)


def _parses(parse: Callable[[str], object]) -> Callable[[str], bool]:
    def test(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return test


_DATE_TIME = re.compile(r"(?i)\d{4}-\d\d-\d\dt\d\d:\d\d:\d\d(\.\d+)?(z|[+-]\d\d:\d\d)\Z")
_is_time = _parses(lambda text: datetime.fromisoformat(text.replace("Z", "+00:00")))
_FORMATS: dict[str, Callable[[str], bool]] = {
    "date-time": lambda text: bool(_DATE_TIME.match(text)) and _is_time(text.upper()),
    "ipv4": _parses(ipaddress.IPv4Address),
    "ipv6": _parses(ipaddress.IPv6Address),
    "cidr": _parses(ipaddress.ip_interface),
    "uri": lambda text: bool(re.match(r"[A-Za-z][A-Za-z0-9+.-]*:|/", text)),
    "uuid": lambda text: bool(
        re.fullmatch(r"(?i)[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}", text)
    ),
}


_RE2 = re2.Options()
_RE2.log_errors = False  # a pattern that is none is refused with its CRD


@lru_cache(maxsize=2048)
def _expression(pattern: str) -> Any:
    return re2.compile(pattern, _RE2)


def is_match(pattern: str, text: str) -> bool:
    """Whether a CRD's pattern matches anywhere in a text, as Go reads it; in linear time."""
    return _expression(pattern).search(text) is not None


def pattern_fault(pattern: str) -> str:
    """What keeps a text from being a pattern; "" if nothing."""
    try:
        _expression(pattern)
    except re2.error as error:
        reason = error.args[0] if error.args else error
        return reason.decode() if isinstance(reason, bytes) else str(reason)
    return ""


def is_format(text: str, name: str) -> bool:
    """Whether text has an OpenAPI format; unknown formats are not checked."""
    test = _FORMATS.get(name)
    return test is None or test(text)
