"""Patches of JSON values: merge patch (RFC 7386) and JSON patch (RFC 6902); inputs stay as are."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, Final

from engine.objects.operations import Inapplicable, operate
from engine.objects.operations import is_same as is_same

MAX_NODES: Final = 100_000
"""Values in the target that copies may lead to: each copy can double it."""


class PatchError(ValueError):
    """A patch that does not fit what it is applied to; the text holds no value of either.

    number: which of the operations cannot be done, from 0.
    """

    def __init__(self, text: str, number: int) -> None:
        """text: what str gives."""
        super().__init__(text)
        self.number = number


def merge_patch(target: Any, patch: Any) -> Any:
    """The target with the patch merged in: null removes a key, lists are replaced whole.

    What the patch does not touch is shared with the target, so change neither.
    Source: RFC 7386 section 2.
    """
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def diff_merge_patch(old: Any, new: Any) -> Any:
    """The smallest merge patch that makes `new` of `old`; `{}` where they are equal mappings.

    Law: merge_patch(old, diff_merge_patch(old, new)) == new, if no mapping in `new` holds null,
    for which a merge patch has no form.
    """
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return new
    patch: dict[str, Any] = {key: None for key in old if key not in new}
    for key, value in new.items():
        if key not in old:
            patch[key] = value
        elif not is_same(old[key], value):
            patch[key] = diff_merge_patch(old[key], value)
    return patch


def size_of(value: Any) -> int:
    """How many values it is, itself and all inside of it."""
    if isinstance(value, dict):
        return 1 + sum(map(size_of, value.values()))
    if isinstance(value, list):
        return 1 + sum(map(size_of, value))
    return 1


def json_patch(target: Any, operations: Sequence[Mapping[str, Any]]) -> Any:
    """The target after the operations, in order, on a copy of it.

    Raises PatchError that names the first operation which cannot be done.
    """
    result = deepcopy(target)
    for number, operation in enumerate(operations):
        what = f"operation {number} ({_shown(operation)})"
        try:
            result = operate(result, operation)
        except Inapplicable as error:
            raise PatchError(f"{what}: {error}", number) from error
        if operation["op"] == "copy" and size_of(result) > MAX_NODES:
            raise PatchError(f"{what}: more than {MAX_NODES} values", number)
    return result


def _shown(operation: Any) -> str:
    """The operation without its value, which may be secret."""
    if not isinstance(operation, Mapping):
        return f"a {type(operation).__name__}, not an object"
    return " ".join(str(operation[key]) for key in ("op", "from", "path") if key in operation)
