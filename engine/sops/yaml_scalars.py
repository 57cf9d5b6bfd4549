"""What a YAML scalar means to sops, and how sops writes one.

Source: go.yaml.in/yaml v3.0.4 (`resolve`, `stringv`, the emitter), which reads `yes` as a string
and timestamps as such, unlike Kubernetes (`engine/objects/scalars.py`).
"""

import base64
import re
from datetime import datetime
from typing import Final

from engine.objects.scalars import NUMERIC, WORDS, float_text, resolve
from engine.sops.error import SopsError
from engine.sops.tree import Moment, Span, Value, literal

_TAG: Final = "tag:yaml.org,2002:"
_WORDS: Final = {
    word: value
    for word, value in WORDS.items()
    if word.lower() in ("true", "false", "null", "~", "")
}
_TYPES: Final[dict[str, tuple[type, ...]]] = {
    _TAG + "bool": (bool,),
    _TAG + "int": (int,),
    _TAG + "float": (float, int),
    _TAG + "null": (type(None),),
    _TAG + "timestamp": (Moment,),
}
_CLOCK: Final = r"([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:[.,]([0-9]+))?"
_ZONE: Final = r"Z|[-+](?:[01][0-9]|2[0-4]):[0-5][0-9]"
_MOMENT: Final = re.compile(
    rf"([0-9]{{4}})-([0-9]{{1,2}})-([0-9]{{1,2}})(?:[Tt]{_CLOCK}({_ZONE})| {_CLOCK})?\Z"
)
_HARMLESS: Final = re.compile(r"[A-Za-z/$(][A-Za-z0-9_./@=$()+^-]*\Z")
_PRINTABLE: Final = "\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd"
_SPECIAL: Final = re.compile(f"[^\t\n\x20-\x7e{_PRINTABLE}]")
_ESCAPED: Final = re.compile(f'["\\\\]|[^\x20-\x7e{_PRINTABLE}]')
_ESCAPES: Final = dict(
    zip('\0\a\b\t\n\v\f\r\x1b"\\\x85\u2028\u2029', '0abtnvfre"\\NLP', strict=True)
)
_NOT_PLAIN_START: Final = re.compile(r"""[#,\[\]{}&*!|>'"%@` ]|[-?:](?:[ \t]|\Z)|---|\.\.\.""")
_NOT_PLAIN: Final = re.compile(r":(?:[ \t]|\Z)|[ \t]#| \Z")
_SEXAGESIMAL: Final = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?\Z")
_BASE64_LINE: Final = 70


def typed(text: str, tag: str | None, is_plain: bool) -> Value:
    """The value of a scalar.  Raises SopsError if it is not what its tag says."""
    if tag is None or tag == "!":
        return plain(text) if is_plain else text
    if tag == _TAG + "binary":
        return _decoded(text)
    types = _TYPES.get(tag)
    if types is None:
        return text
    value = plain(text)
    if type(value) not in types:
        raise SopsError(f"is not a !!{tag.removeprefix(_TAG)} as its tag says")
    return float(value) if float in types and isinstance(value, int) else value


def plain(text: str) -> Value:
    """The value of a scalar without quotes.  Raises SopsError for integers beyond 64 bits."""
    if not text or text[0] not in NUMERIC:
        return _WORDS.get(text, text)
    if (moment := _moment(text)) is not None:
        return moment
    value = resolve(text)
    if isinstance(value, int) and value >= 2**63:
        raise SopsError("an integer above 9223372036854775807 is nothing that sops encrypts")
    return value


def _moment(text: str) -> Moment | None:
    """The timestamp, as Go writes it; None if the text is none."""
    found = _MOMENT.match(text)
    if not found:
        return None
    year, month, day, *clocks = found.groups()
    zone = clocks.pop(4)
    hour, minute, second, fraction = clocks[:4] if clocks[0] else clocks[4:]
    h, m, sec = (int(part or 0) for part in (hour, minute, second))
    try:  # the year 0 is a leap year, and none of Python's
        moment = datetime(int(year) or 4, int(month), int(day), h, m, sec)  # noqa: DTZ001 - see zone
    except ValueError:
        return None
    digits = (fraction or "")[:9].rstrip("0")
    shown = f"{year}-{moment:%m-%dT%H:%M:%S}" + (f".{digits}" if digits else "")
    return Moment(shown + ("Z" if zone in (None, "+00:00", "-00:00") else zone))


def _decoded(text: str) -> Value:
    try:
        data = base64.b64decode(re.sub(r"[\r\n]", "", text), validate=True)
    except ValueError as error:
        raise SopsError("is tagged !!binary and is not base64") from error
    return data.decode(errors="surrogateescape")


def written(value: Value, span: Span) -> str:
    """The scalar's text for its place, without a newline at the end unless it is a block."""
    if value is None or isinstance(value, int):
        return literal(value)
    if isinstance(value, float):
        return float_text(value)
    if isinstance(value, Moment):
        return value.text
    if isinstance(value, bytes):
        value = value.decode(errors="surrogateescape")
    return _string(value, span)


def _string(text: str, span: Span) -> str:
    if not span.is_flow and _HARMLESS.match(text) and text not in WORDS:
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return "!!binary " + _string(_wrapped(text), span)
    has_special = _SPECIAL.search(text) is not None
    if "\n" in text and not (span.is_flow or has_special or " \n" in text or text[-1] == " "):
        return _block(text, span)
    if span.is_flow or has_special or "\n" in text or "\t" in text or _is_typed(text):
        return double_quoted(text)
    if _NOT_PLAIN_START.match(text) or _NOT_PLAIN.search(text):
        return "'" + text.replace("'", "''") + "'"
    return text


def _wrapped(text: str) -> str:
    """What is no UTF-8, in base64, in lines if it is long."""
    code = base64.b64encode(text.encode(errors="surrogateescape")).decode()
    if len(code) < _BASE64_LINE:
        return code
    return "".join(f"{code[at : at + _BASE64_LINE]}\n" for at in range(0, len(code), _BASE64_LINE))


def _is_typed(text: str) -> bool:
    """Whether the text without quotes would be something else than a string, in YAML 1.1 too."""
    if not text or text[0] not in NUMERIC:
        return text in WORDS
    if _moment(text) is not None or not isinstance(resolve(text), str):
        return True
    return _SEXAGESIMAL.match(text) is not None


def _block(text: str, span: Span) -> str:
    """The literal style: `|`, its hints, and the lines indented."""
    body = text.removesuffix("\n")
    keep = "-" if body == text else "+" if body.endswith("\n") or not body else ""
    hint = str(span.indent - span.parent) if text[0] in " \n" else ""
    margin = "\n" + " " * span.indent
    lines = "".join(margin + line if line else "\n" for line in body.split("\n"))
    return f"|{hint}{keep}{lines}"


def double_quoted(text: str) -> str:
    """The text in double quotes, on one line."""
    return '"' + _ESCAPED.sub(_escape, text) + '"'


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    if letter := _ESCAPES.get(character):
        return "\\" + letter
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02X}"
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"
