"""Log lines on standard error: JSON with Flux's keys, or text for people."""

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from engine.telemetry.scope import clean, current_keys

TRACE = 5  # below DEBUG, as Flux's `trace`
LEVELS = {
    "trace": TRACE,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "error": logging.WARNING,  # Flux has no warnings
}
_SELDOM = 60.0  # seconds
_IN_FRONT = ("controllerKind", "namespace", "name")
_NOT_IN_TEXT = {*_IN_FRONT, "controller", "controllerGroup", "reconcileID"}

logger = logging.getLogger("lockstep")


def set_up_logging(level: str, encoding: str) -> None:
    """Logs to standard error, a JSON object a line (`json`) or readable text (`console`).

    So do, from warnings upwards, the libraries that are used.
    """
    formatter = _JsonLines() if encoding == "json" else _Console()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logger.handlers[:] = [handler]
    logger.propagate = False
    if logging.lastResort is not None:  # what handles the records of loggers without a handler
        logging.lastResort.setFormatter(formatter)
    set_level(level)


def set_level(level: str) -> None:
    """Changes the log level at run time; KeyError if it is not one of LEVELS."""
    logger.setLevel(LEVELS[level])


def level() -> str:
    """The name of the current log level."""
    return _name(logger.level)


def because(error: object) -> dict[str, Any]:
    """What went wrong, under Flux's key `error`: pass it as `extra`."""
    return {"keys": {"error": str(error) or type(error).__name__}}


class Seldom(logging.Filter):
    """Lets a record pass once a minute: a collector that is down is not worth a line a second."""

    def __init__(self) -> None:
        super().__init__()
        self._passed_at = float("-inf")

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the last one is long enough ago."""
        if record.created - self._passed_at < _SELDOM:
            return False
        self._passed_at = record.created
        return True


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "level": _name(record.levelno),
            "ts": _instant(record).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "msg": clean(record.getMessage()),
        }
        if record.name != logger.name:
            line["logger"] = record.name.removeprefix(f"{logger.name}.")
        line |= _keys(record)
        if record.exc_info:
            line["stacktrace"] = clean(self.formatException(record.exc_info))
        try:
            return orjson.dumps(line, default=str).decode()
        except orjson.JSONEncodeError:  # half a character, a huge number: no reason to say nothing
            return json.dumps(line, default=str)


class _Console(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        keys = dict(_keys(record))
        error = keys.pop("error", "")
        where = "/".join(str(keys[key]) for key in _IN_FRONT if keys.get(key))
        rest = [
            f"{key}={value}"
            for key, value in keys.items()
            if key not in _NOT_IN_TEXT and not isinstance(value, dict)
        ]
        at = _instant(record).strftime("%H:%M:%S.%f")[:-3]
        said = clean(record.getMessage()) + (f": {error}" if error else "")
        text = f"{at} {_name(record.levelno):5} {where + ': ' if where else ''}"
        text += " ".join([said, *rest])
        if record.exc_info:
            text += "\n" + clean(self.formatException(record.exc_info))
        return text


def _keys(record: logging.LogRecord) -> Mapping[str, Any]:
    """The keys of the run and of the record; an exception is its `error`."""
    own: dict[str, Any] = dict(getattr(record, "keys", {}))
    if record.exc_info and record.exc_info[1] is not None and "error" not in own:
        error = record.exc_info[1]
        own["error"] = f"{type(error).__name__}: {error}"
    shown = {key: clean(value) if isinstance(value, str) else value for key, value in own.items()}
    return {**current_keys(), **shown}


def _instant(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


def _name(number: int) -> str:
    """Flux's name of a level: the highest that the number reaches."""
    return next((name for name, at in reversed(LEVELS.items()) if number >= at), "trace")
