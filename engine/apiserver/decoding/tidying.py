"""A built-in kind's object as Go writes it back: without empty maps and lists, amounts canonical.

Source: `omitempty` of k8s.io/api's types; apimachinery api/resource for quantities.
"""

from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from engine.apiserver.kinds.schemas import Node, Schemas

QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"

# Lists that are written even if empty.  Source: fields without omitempty.
_ALWAYS = frozenset({"rules", "containers", "endpoints", "ports[]", "nodeSelectorTerms"})


def tidied(value: Any, node: Node, schemas: Schemas) -> Any:
    """The value without what Go would leave out.  Where a list may hold null it is kept."""
    if node.get("$ref") == QUANTITY and isinstance(value, (str, int, float)):
        return canonical_quantity(str(value))
    node = schemas.resolve(node)
    if isinstance(value, list):
        items = node.get("items")
        return [tidied(each, items, schemas) for each in value] if items else value
    if not isinstance(value, dict):
        return value
    properties, rest = node.get("properties") or {}, node.get("additionalProperties")
    out: dict[str, Any] = {}
    for name, each in value.items():
        child = properties.get(name, rest)
        if not isinstance(child, dict):
            out[name] = each
        elif not _is_left_out(name, each, schemas.resolve(child)):
            out[name] = tidied(each, child, schemas)
    return out


def _is_left_out(name: str, value: Any, node: Node) -> bool:
    if value == []:
        return name not in _ALWAYS
    # An empty map of free keys is left out; an empty struct (`emptyDir: {}`) says something.
    return value == {} and isinstance(node.get("additionalProperties"), Mapping)


_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}


@lru_cache(maxsize=4096)
def canonical_quantity(text: str) -> str:
    """The shortest text of the same amount and family of suffixes: `0.5` is `500m`.

    What is no quantity is given back as it is; validation speaks of it.
    """
    digits = text.strip().rstrip("KMGTPEimunk")
    suffix = text.strip()[len(digits) :]
    try:
        amount = Decimal(digits)
    except InvalidOperation:
        return text
    if suffix in _BINARY:
        total = amount * 1024 ** _BINARY[suffix]
        if total >= 1024 and total == total.to_integral_value():
            return _binary(int(total))
        suffix, amount = "", total
    if suffix not in _DECIMAL:
        return text
    return _decimal(amount.scaleb(_DECIMAL[suffix]), "e" in digits.lower())


def _binary(total: int) -> str:
    for name in ("Ei", "Pi", "Ti", "Gi", "Mi", "Ki"):
        unit: int = 1024 ** _BINARY[name]
        if total % unit == 0:
            return f"{total // unit}{name}"
    return str(total)


def _decimal(amount: Decimal, exponent: bool) -> str:
    amount = amount.quantize(Decimal("1e-9"), ROUND_CEILING) if amount else Decimal(0)
    if not amount:
        return "0"
    for name, power in sorted(_DECIMAL.items(), key=lambda each: -each[1]):
        scaled = amount.scaleb(-power)
        if scaled == scaled.to_integral_value():
            if exponent and power:
                return f"{int(scaled)}e{power}"
            return f"{int(scaled)}{name}"
    return str(amount)
