"""What services answer, and why they refuse, in one line without a secret."""

import html
import math
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import orjson

from engine.cluster.outbound import Answer
from engine.objects.redact import mask

_LONGEST = 300  # characters of a service's own words
_DEEPEST = 5  # levels at which services say them; a stranger's answer may have a thousand
_XML = re.compile(r"<(Code|Message)>([^<]*)</\1>")
_WORDS = ("message", "Message", "error_description", "error", "code")


class Refused(Exception):  # noqa: N818 - says what happened, like a Failure
    """A service said no, or something that makes no sense.  status: HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        """message: without secrets."""
        super().__init__(message)
        self.status = status


def check(answer: Answer, what: str, secrets: Iterable[str] = ()) -> None:
    """Raises Refused unless the answer is a success; what: the service, for the message.

    secrets: what was sent, should the service repeat it.
    """
    if 200 <= answer.status < 300:
        return
    if 300 <= answer.status < 400:
        raise Refused(answer.status, f"{what}: it redirects elsewhere, which is not followed")
    said = words(answer.body, secrets)
    raise Refused(answer.status, f"{what}: HTTP {answer.status}" + (f": {said}" if said else ""))


def words(body: bytes, secrets: Iterable[str] = ()) -> str:
    """The service's own message, of JSON or XML, masked and cut to one line; "": there is none."""
    try:
        text = _of_json(orjson.loads(body))
    except orjson.JSONDecodeError:
        found = dict(_XML.findall(body.decode(errors="replace")))
        text = ": ".join(
            html.unescape(found[name]) for name in ("Code", "Message") if name in found
        )
    # Masked before anything is cut: what is left of half a secret would not be found.
    shown = mask(text, secrets)
    line = " ".join("".join(c if c.isprintable() else " " for c in shown).split())
    return line if len(line) <= _LONGEST else line[:_LONGEST] + "..."


def _of_json(body: Any, depth: int = 0) -> str:
    if isinstance(body, str):
        return body
    if isinstance(body, list) and depth < _DEEPEST:
        return "; ".join(filter(None, (_of_json(each, depth + 1) for each in body[:3])))
    if not isinstance(body, Mapping) or depth >= _DEEPEST:
        return ""
    if "errors" in body:
        return _of_json(body["errors"], depth + 1)
    error = body.get("error")
    if isinstance(error, Mapping):
        return _of_json(error, depth + 1)
    kind = str(body.get("__type", "")).rpartition("#")[2]
    text = next((str(body[word]) for word in _WORDS if isinstance(body.get(word), str)), "")
    return ": ".join(filter(None, (kind, text)))


def document(answer: Answer, what: str) -> dict[str, Any]:
    """The JSON object in an answer.  Raises Refused if it is none."""
    try:
        decoded = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        decoded = None
    if not isinstance(decoded, dict):
        raise Refused(answer.status, f"{what}: the answer is no JSON object: is it that service?")
    return decoded


def text_in(body: Mapping[str, Any], name: str, what: str) -> str:
    """A field that must be there.  Raises Refused."""
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise Refused(200, f"{what}: the answer has no '{name}': is it that service?")
    return value


def instant_in(body: Mapping[str, Any], name: str, what: str) -> float:
    """A field that says when something ends, in seconds since 1970.  Raises Refused."""
    try:
        return datetime.fromisoformat(text_in(body, name, what)).timestamp()
    except (ValueError, OverflowError):
        raise Refused(200, f"{what}: '{name}' is no time: is it that service?") from None


def seconds_in(body: Mapping[str, Any], name: str, what: str, usual: float) -> float:
    """A field that says how long something lasts; `usual` where it is not said.  Raises Refused."""
    try:
        seconds = float(body.get(name) or usual)
    except (TypeError, ValueError, OverflowError):
        seconds = math.nan
    if not math.isfinite(seconds):
        raise Refused(200, f"{what}: '{name}' is no number of seconds: is it that service?")
    return seconds
