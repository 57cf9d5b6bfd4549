"""The CEL expressions of a Receiver: which of the objects that it names a call means."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.api.notification import ReceiverSpec
from engine.objects.cel import CelError, CostError, Program, parsed
from engine.objects.ref import Object

_VARIABLES = ("res", "req")
_SHOWN = ("name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp")
_MAPS = ("labels", "annotations")
_LONGEST = 200  # characters of an expression that a message quotes, as those of cel/program.py


class FilterError(ValueError):
    """An expression that is none, and which one."""


@dataclass(frozen=True, slots=True)
class Filters:
    """The filter of all entries, and those of single ones: None where there is none."""

    of_all: Program | None
    of_entries: tuple[Program | None, ...]

    def __bool__(self) -> bool:
        """Whether there are any."""
        return self.of_all is not None or any(self.of_entries)

    def accepts(self, index: int, obj: Object, req: Mapping[str, Any]) -> bool:
        """Whether an object of that entry is meant.  Raises CelError if that cannot be said."""
        variables = {"res": shown(obj), "req": req}
        filters = (self.of_all, self.of_entries[index])
        return all(_is_true(each, variables) for each in filters if each is not None)


def _is_true(program: Program, variables: Mapping[str, Any]) -> bool:
    """Raises CelError, which quotes nothing of what was compared."""
    try:
        return program.is_true(variables)
    except CostError:
        raise
    except CelError as error:
        _, _, reason = str(error).partition(f"'{program.text[:_LONGEST]}'")
        kind = reason.lstrip(": ").partition(":")[0] or "it is no bool"
        raise CelError(f"the expression '{program.text[:_LONGEST]}' has no value: {kind}") from None


def shown(obj: Object) -> dict[str, Any]:
    """What expressions see as `res`: header and metadata, as Flux's partial objects."""
    metadata = obj["metadata"]
    names = (*_SHOWN, *(each for each in _MAPS if metadata.get(each)))
    return {
        "apiVersion": obj["apiVersion"],
        "kind": obj["kind"],
        "metadata": {name: metadata[name] for name in names if name in metadata},
    }


def filters_of(spec: ReceiverSpec) -> Filters:
    """The expressions, parsed.  Raises FilterError, naming the first that is none."""
    of_all = _program(spec.resource_filter, "invalid resourceFilter expression")
    of_entries = tuple(
        _program(
            each.filter,
            f'invalid filter expression for resources[{index}] (kind="{each.kind}", '
            f'name="{each.name}")',
        )
        for index, each in enumerate(spec.resources)
    )
    return Filters(of_all, of_entries)


def _program(text: str, where: str) -> Program | None:
    if not text:
        return None
    try:
        return parsed(text, _VARIABLES)
    except CelError as error:
        raise FilterError(f"{where}: {error}") from error
