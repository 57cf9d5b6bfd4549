"""Apply and update with owners: who owns what afterwards, and what an apply takes away again.

Owners are whatever the caller names them by, as long as they sort; all versions share one type.
Source: sigs.k8s.io/structured-merge-diff v6, merge/update.go.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Generic, TypeVar

from engine.apiserver.typed.compare import Comparison, equal
from engine.apiserver.typed.type import Type
from engine.objects.field_path import Path, path_text
from engine.objects.fields import EMPTY, FieldSet

Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Owned:
    """What an owner owns, by the version it last spoke; applied: by apply, else by update."""

    fields: FieldSet
    version: str
    applied: bool

    def joined(self, fields: FieldSet) -> "Owned":
        """The same with these fields too."""
        return replace(self, fields=self.fields.union(fields))


@dataclass(frozen=True, slots=True)
class State(Generic[Name]):
    """A value and its owners; none owns an empty set."""

    value: Any
    owners: Mapping[Name, Owned] = field(default_factory=dict)


class Contested(Exception, Generic[Name]):  # noqa: N818 - an answer, which `force` overrules
    """Others own what an apply would change: `by` lists (owner, path), sorted."""

    def __init__(self, owners: Mapping[Name, FieldSet]) -> None:
        """owners: the contested fields of each."""
        self.fields = owners
        self.by: list[tuple[Name, Path]] = [
            (owner, path)
            for owner, fields in sorted(owners.items(), key=lambda each: str(each[0]))
            for path in fields.paths()
        ]
        super().__init__("; ".join(f"conflict with {o}: {path_text(p)}" for o, p in self.by))


@dataclass(frozen=True, slots=True)
class Merger:
    """Applies and updates values of one type.

    ignored: {version: fields} that are never owned.
    emptied: a container emptied by an apply stays as {} or [] (v6.4.0), otherwise it becomes null
    (v6.3.3).
    """

    typ: Type
    ignored: Mapping[str, FieldSet] = field(default_factory=dict)
    emptied: bool = True

    def update(self, live: State[Name], new: Any, version: str, owner: Name) -> State[Name]:
        """`new` as it is; `owner` takes what changed, from whoever had it."""
        change = self.typ.compare(live.value, new)
        owners = _handed_over(self._reconciled(live.owners), self._seen(change), owner)
        change = change.without(self.ignored.get(version))
        mine = owners[owner].fields if owner in owners else EMPTY
        mine = mine.difference(change.removed).union(change.changed)
        owners[owner] = Owned(self._unignored(mine, version), version, applied=False)
        return State(new, _owning(owners))

    def apply(
        self, live: State[Name], config: Any, version: str, owner: Name, *, force: bool = False
    ) -> State[Name]:
        """`live` with `config` merged in and without what only `owner` had and no longer says.

        The result's value is `live.value` itself if the apply changes nothing.
        Raises Contested unless `force`, which takes the fields from their owners.
        """
        owners = self._reconciled(live.owners)
        last = owners.get(owner)
        fields = self._unignored(self.typ.field_set(config), version)
        owners[owner] = Owned(fields, version, applied=True)
        value = self.typ.merge(live.value, config)
        # Nothing was given up: pruning would find nothing, at twice the price of all the rest.
        if last is not None and (last.version != version or last.fields.difference(fields)):
            value = self._pruned(value, owners, last)
        if equal(live.value, value):
            return State(live.value, _owning(owners))
        seen = self._seen(self.typ.compare(live.value, value))
        return State(value, _handed_over(owners, seen, owner, force=force))

    def _unignored(self, fields: FieldSet, version: str) -> FieldSet:
        return fields.without(self.ignored.get(version, EMPTY))

    def _reconciled(self, owners: Mapping[Name, Owned]) -> dict[Name, Owned]:
        return {
            owner: replace(owned, fields=self.typ.reconciled(owned.fields))
            for owner, owned in owners.items()
        }

    def _seen(self, change: Comparison) -> Callable[[str], Comparison]:
        """What there is to see of a change at a version, where some fields may be ignored."""
        return cache(lambda version: change.without(self.ignored.get(version)))

    def _pruned(self, merged: Any, owners: Mapping[Name, Owned], last: Owned) -> Any:
        """The merged value without what its applier owned, gave up, and nobody else owns."""
        named = self.typ.named_members
        had = named(last.fields)
        everything = named(self.typ.field_set(merged))
        pruned = self.typ.remove(merged, had, emptied=self.emptied)
        # Back comes what others, or the new configuration, own: one version after the other, the
        # last applied one first, as fields below a removed one only count with their version's.
        versions = sorted(
            {o.version for o in owners.values()}, key=lambda v: (v != last.version, v)
        )
        for version in versions:
            managed = EMPTY
            for owned in owners.values():
                if owned.version == version:
                    managed = managed.union(owned.fields)
            kept = named(self.typ.field_set(pruned)).union(named(managed))
            gone = everything.difference(kept)
            pruned = self.typ.remove(merged, gone, emptied=self.emptied)
        # Back comes also what fell with a container but was never the applier's.
        kept = named(self.typ.field_set(pruned))
        gone = everything.difference(kept).intersection(had)
        return self.typ.remove(merged, gone, emptied=self.emptied)


def _handed_over(
    owners: Mapping[Name, Owned],
    seen: Callable[[str], Comparison],
    actor: Name,
    *,
    force: bool = True,
) -> dict[Name, Owned]:
    """The owners once everyone but the actor lost what the actor changed.

    seen: the change at a version.  Raises Contested unless `force`.
    """
    contested: dict[Name, FieldSet] = {}
    out = dict(owners)
    for owner, owned in owners.items():
        if owner == actor:
            continue
        change = seen(owned.version)
        lost = owned.fields.intersection(change.changed)
        if lost:
            contested[owner] = lost
        left = owned.fields.difference(lost).difference(change.removed)
        out[owner] = replace(owned, fields=left)
    if contested and not force:
        raise Contested(contested)
    return _owning(out)


def _owning(owners: Mapping[Name, Owned]) -> dict[Name, Owned]:
    return {owner: owned for owner, owned in owners.items() if owned.fields}
