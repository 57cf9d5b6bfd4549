"""Which object: group, kind, namespace and name, as Flux's inventory and messages write it."""

from collections.abc import Mapping
from sys import intern
from typing import Any, Self, TypeAlias

import msgspec

Object: TypeAlias = Mapping[str, Any]
"""A Kubernetes object as decoded JSON.  A mapping: whoever changes one makes a new dict."""


class Ref(msgspec.Struct, frozen=True, order=True, gc=False):
    """The identity of an object; empty group is the core group, empty namespace cluster scope.

    A struct, as each correction makes ten and looks more than a hundred times for one: a dataclass
    is several times slower to make, hash and compare, and takes a third more memory.
    """

    group: str
    kind: str
    namespace: str
    name: str

    @classmethod
    def of(cls, obj: Object) -> Self:
        """The Ref of an object that has at least apiVersion, kind and metadata.name."""
        metadata = obj["metadata"]
        group, _, _ = obj["apiVersion"].rpartition("/")
        return cls(group, obj["kind"], metadata.get("namespace") or "", metadata["name"])

    @classmethod
    def parse_id(cls, text: str) -> Self:
        """The Ref of an inventory id.  Raises ValueError if it has not four parts.

        Source: fluxcd/cli-utils pkg/object, `<namespace>_<name>_<group>_<kind>`.  Only names hold
        `__` (for `:`), so the outer parts are cut off first.
        """
        namespace, _, rest = text.partition("_")
        name, _, tail = rest.rpartition("_")
        name, _, group = name.rpartition("_")
        if not name or not tail:
            raise ValueError(f"inventory id {text!r} is not <namespace>_<name>_<group>_<kind>")
        return cls(group, tail, namespace, name.replace("__", ":"))

    def shared(self) -> Self:
        """The same in words that are one with those of other Refs: for who keeps many for long."""
        return type(self)(intern(self.group), intern(self.kind), intern(self.namespace), self.name)

    @property
    def id(self) -> str:
        """`<namespace>_<name>_<group>_<kind>`, as in `status.inventory`."""
        return f"{self.namespace}_{self.name.replace(':', '__')}_{self.group}_{self.kind}"

    def __str__(self) -> str:
        """`Kind/namespace/name`, without the namespace where there is none."""
        parts = (self.kind, self.namespace, self.name) if self.namespace else (self.kind, self.name)
        return "/".join(parts)


def version_of(obj: Object) -> str:
    """The API version without its group: `v1`."""
    return str(obj["apiVersion"]).rpartition("/")[2]
