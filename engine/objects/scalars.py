"""What an unquoted YAML scalar means to Kubernetes, and how Go prints a number.

Source: sigs.k8s.io/yaml 1.6.0 (YAML 1.1 words, Go's integer prefixes, no sexagesimal numbers);
`strconv.FormatFloat` of Go.
"""

import base64
import re
import struct
from decimal import Decimal
from typing import Final, TypeAlias

Scalar: TypeAlias = str | int | float | bool | None

_TRUE = "y Y yes Yes YES true True TRUE on On ON"
_FALSE = "n N no No NO false False FALSE off Off OFF"

WORDS: Final[dict[str, Scalar]] = {
    **dict.fromkeys(_TRUE.split(), True),
    **dict.fromkeys(_FALSE.split(), False),
    **dict.fromkeys(["", "~", "null", "Null", "NULL"], None),
}
"""The plain words that are not strings."""

_NOT_FINITE: Final[dict[str, float]] = {
    **dict.fromkeys([".nan", ".NaN", ".NAN"], float("nan")),
    **dict.fromkeys([".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"], float("inf")),
    **dict.fromkeys(["-.inf", "-.Inf", "-.INF"], float("-inf")),
}

_TAG = "tag:yaml.org,2002:"
_TYPES: Final[dict[str, tuple[type, ...]]] = {
    _TAG + "bool": (bool,),
    _TAG + "int": (int,),
    _TAG + "float": (float, int),
    _TAG + "null": (type(None),),
}

NUMERIC: Final = frozenset("+-.0123456789")
"""The characters that a number can start with."""

_INTEGER = re.compile(
    r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))\Z"
)
_SIGN_AFTER_PREFIX = re.compile(r"0b([-+])([01]+)\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_FLOAT_AFTER_DOT = re.compile(r"\.[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+(?:_[0-9]+)*)?\Z")
_LOWEST, _BEYOND = -(2**63), 2**64


def resolve(text: str) -> Scalar:
    """The value of a plain scalar; a float stays a float (see `as_json_number`)."""
    if text and text[0] in NUMERIC:
        return _number(text)
    return WORDS.get(text, text)


def _number(text: str) -> str | int | float:
    """The number that the text is, or the text itself; the text is not empty."""
    if (special := _NOT_FINITE.get(text)) is not None:
        return special
    if text[0] == ".":  # Go's own rule for `_`: between digits only
        return _finite(text, text) if _FLOAT_AFTER_DOT.match(text) else text
    bare = text.replace("_", "")
    value = _integer(bare)
    if value is not None:
        return value
    return _finite(bare, text) if _FLOAT.match(bare) else text


def _integer(text: str) -> int | None:
    """The integer, None if the text is none or it does not fit in 64 bits."""
    if found := _INTEGER.match(text):
        sign, *digits = found.groups()
        base, number = next((b, d) for b, d in zip((16, 2, 8, 10), digits, strict=True) if d)
    elif found := _SIGN_AFTER_PREFIX.match(text):
        base, (sign, number) = 2, found.groups()
    else:
        return None
    if len(number) > 64:  # more than 64 bits in any base; also keeps int() cheap
        number = number.lstrip("0") or "0"
        if len(number) > 64:
            return None
    value = int(sign + number, base)
    unsigned = not sign and value < _BEYOND
    return value if unsigned or _LOWEST <= value < -_LOWEST else None


def _finite(digits: str, text: str) -> str | float:
    """The float, or the text if it is too large for one (`1e400`)."""
    value = float(digits.replace("_", ""))
    return text if value in (float("inf"), float("-inf")) else value


def tagged(text: str, tag: str) -> Scalar:
    """The value of a scalar with an explicit tag; a tag that Kubernetes does not know is ignored.

    Raises ValueError with the problem if the text is not what the tag says.
    """
    if tag == _TAG + "binary":
        return _decoded(text)
    types = _TYPES.get(tag)
    if types is None:
        return text
    value = resolve(text)
    if type(value) not in types:
        raise ValueError(f"cannot decode {text!r} as a !!{tag.removeprefix(_TAG)}")
    return float(value) if float in types else value  # type: ignore[arg-type]  # int or float


def _decoded(text: str) -> str:
    try:
        data = base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
    except ValueError as error:
        raise ValueError("!!binary value contains invalid base64 data") from error
    return data.decode(errors="replace")


def as_json_number(value: float) -> int | float:
    """The number that Kubernetes holds after its way through JSON: `1.0` is the integer 1.

    Large floats become the integer of their shortest digits, as Go prints them.
    """
    if value.is_integer() and abs(value) <= 2.0**63:
        integer = int(Decimal(repr(value)))
        return integer if _LOWEST <= integer < -_LOWEST else value
    return value


def key_text(key: Scalar) -> str | None:
    """The key of the JSON object for a YAML key; None where Kubernetes refuses it."""
    if isinstance(key, str):
        return key
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, float):
        return float_text(key, bits=32)
    return str(key) if key is not None and key < 2**63 else None


def float_text(value: float, bits: int = 64) -> str:
    """The float as YAML text: the fewest digits that give it back in 32 or 64 bits.

    Source: Go's FormatFloat(value, 'g', -1, bits) as go-yaml calls it.
    """
    if bits == 32:
        value = _single(value)
    if value != value:
        return ".nan"
    if value in (float("inf"), float("-inf")):
        return ".inf" if value > 0 else "-.inf"
    sign, digits, exponent = Decimal(_shortest(value, bits)).as_tuple()
    figures = "".join(map(str, digits)).rstrip("0") or "0"
    power = len(digits) + int(exponent) - 1 if figures != "0" else 0
    minus = "-" if sign else ""
    if power < -4 or power >= 6:  # Go's limits for %g with the shortest digits
        point = "." if len(figures) > 1 else ""
        return f"{minus}{figures[0]}{point}{figures[1:]}e{power:+03d}"
    if power < 0:
        return f"{minus}0.{'0' * (-power - 1)}{figures}"
    whole, rest = figures[: power + 1].ljust(power + 1, "0"), figures[power + 1 :]
    return f"{minus}{whole}.{rest}" if rest else minus + whole


def _single(value: float) -> float:
    """The value rounded to 32 bits; infinite where it is too large."""
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _shortest(value: float, bits: int) -> str:
    """The shortest decimal text that reads back as the value in so many bits."""
    if bits == 64:
        return repr(value)
    texts = (f"{value:.{precision}e}" for precision in range(9))
    return next(text for text in texts if _single(float(text)) == value)
