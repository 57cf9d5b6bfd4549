"""The part of Kubernetes' JSONPath that printer columns use: fields, indexes, wildcards, filters.

Source: client-go util/jsonpath; apiextensions registry/customresource/tableconvertor.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

_STEP = re.compile(
    r"""\.(?P<field>(?:\\.|[^.\[\]\\])+)
    | \[\s*(?:(?P<index>-?\d+)|(?P<all>\*)
      |'(?P<quoted>[^']*)'|"(?P<double>[^"]*)"
      |\?\(\s*@\.(?P<name>[^=!<>\s]+)\s*(?P<op>==|!=|>=|<=|>|<)\s*(?P<value>[^)]*?)\s*\))\s*\]""",
    re.VERBOSE,
)

Step = Callable[[Any], Iterator[Any]]


def find(obj: Any, path: str) -> list[Any]:
    """The values at a path such as `.status.conditions[?(@.type=="Ready")].status`.

    Raises ValueError if the path has a form that is not known here.
    """
    values = [obj]
    for step in _steps(path):
        values = [found for value in values for found in step(value)]
    return values


@lru_cache(maxsize=1024)
def _steps(path: str) -> tuple[Step, ...]:
    text = path.strip().removeprefix("{").removesuffix("}").removeprefix("$")
    text = text if text.startswith((".", "[")) else f".{text}"
    steps, position = [], 0
    while position < len(text):
        found = _STEP.match(text, position)
        if found is None:
            raise ValueError(f"JSONPath {path!r}: {text[position:]!r} is not understood")
        steps.append(_step(found))
        position = found.end()
    return tuple(steps)


def _step(found: re.Match[str]) -> Step:
    if found["index"] is not None:
        return _index(int(found["index"]))
    if found["all"] or found["field"] == "*":
        return _every
    if found["name"]:
        return _filter(found["name"], found["op"], found["value"])
    name = found["field"] or found["quoted"] or found["double"] or ""
    return _field(re.sub(r"\\(.)", r"\1", name))


def _field(name: str) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, Mapping) and name in value:
            yield value[name]

    return step


def _index(number: int) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, list) and -len(value) <= number < len(value):
            yield value[number]

    return step


def _every(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda left, right: bool(left == right),
    "!=": lambda left, right: bool(left != right),
    ">": lambda left, right: bool(left > right),
    "<": lambda left, right: bool(left < right),
    ">=": lambda left, right: bool(left >= right),
    "<=": lambda left, right: bool(left <= right),
}


def _filter(name: str, operator: str, literal: str) -> Step:
    wanted = _literal(literal)
    compare = _COMPARE[operator]

    def step(value: Any) -> Iterator[Any]:
        for each in value if isinstance(value, list) else ():
            for found in find(each, f".{name}"):
                if isinstance(found, type(wanted)) and compare(found, wanted):
                    yield each

    return step


def _literal(text: str) -> Any:
    if text[:1] in "'\"":
        return text[1:-1]
    if text in ("true", "false"):
        return text == "true"
    try:
        return int(text)
    except ValueError:
        return text
