"""Label selectors as kubectl writes them: `a=b,c in (d,e),!f`.

Source: k8s.io/apimachinery/pkg/labels.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

_REQUIREMENT = re.compile(
    r"\s*(?:"
    r"(?P<set_key>[^\s,=!<>()]+)\s+(?P<set>in|notin)\s*\((?P<values>[^()]*)\)"
    r"|(?P<key>[^\s,=!<>()]+)\s*(?P<operator>==|=|!=)\s*(?P<value>[^\s,=!<>()]*)"
    r"|(?P<number_key>[^\s,=!<>()]+)\s*(?P<order>[<>])\s*(?P<bound>-?[0-9]+)"
    r"|!\s*(?P<absent>[^\s,=!<>()]+)"
    r"|(?P<present>[^\s,=!<>()]+)"
    r")\s*(?:,|$)"
)
_KEY = re.compile(r"(?:[a-z0-9.-]{1,253}/)?[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_OPERATORS = {"In": "in", "NotIn": "notin"}

Test = Callable[[Mapping[str, str]], bool]


class SelectorError(ValueError):
    """A text that is no selector."""


def selector_text(selector: Mapping[str, Any]) -> str:
    """A selector of an object's spec as kubectl writes it, "" if it selects all.

    selector: {matchLabels: {key: value}, matchExpressions: [{key, operator, values}]}.
    """
    terms = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for rule in selector.get("matchExpressions") or ():
        values = ",".join(sorted(rule.get("values") or ()))
        operator = rule.get("operator", "")
        if operator in _OPERATORS:
            terms.append(f"{rule['key']} {_OPERATORS[operator]} ({values})")
        else:
            terms.append(rule["key"] if operator == "Exists" else f"!{rule['key']}")
    return ",".join(sorted(terms))


def selector_test(text: str) -> Test:
    """A test of labels; an empty selector holds for all.  Raises SelectorError."""
    tests: list[Test] = []
    position = 0
    while text[position:].strip():
        match = _REQUIREMENT.match(text, position)
        if match is None:
            raise SelectorError(f"unable to parse selector {text!r} at {text[position:]!r}")
        tests.append(_requirement(match, text))
        position = match.end()
    if text.rstrip().endswith(","):
        raise SelectorError(f"unable to parse selector {text!r}: it ends with a comma")
    return lambda labels: all(test(labels) for test in tests)


def _requirement(match: re.Match[str], text: str) -> Test:
    part = match.groupdict()
    key = next(
        part[name]
        for name in ("set_key", "key", "number_key", "absent", "present")
        if part[name] is not None
    )
    if not _KEY.fullmatch(key):
        raise SelectorError(f"selector {text!r}: {key!r} is not a label key")
    if part["set"]:
        values = {value.strip() for value in part["values"].split(",")}
        is_in = part["set"] == "in"
        return lambda labels: (labels.get(key) in values) is is_in
    if part["operator"]:
        value, is_equal = part["value"], part["operator"] != "!="
        return lambda labels: (labels.get(key) == value) is is_equal
    if part["order"]:
        return _comparison(key, part["order"], int(part["bound"]))
    is_present = part["present"] is not None
    return lambda labels: (key in labels) is is_present


def _comparison(key: str, order: str, bound: int) -> Test:
    def test(labels: Mapping[str, str]) -> bool:
        try:
            value = int(labels[key])
        except (KeyError, ValueError):
            return False
        return value < bound if order == "<" else value > bound

    return test
