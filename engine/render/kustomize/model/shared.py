"""Texts that stand at several places of a resource and change together.

A transformer that sets a label or annotation in many fields of a resource gives all of them one
YAML node in kustomize; whoever replaces the value of one later replaces that of all (commonLabels
in a base, and a patch of `metadata.labels` in its overlay, change selectors and templates too).
A JSON patch writes the resource anew, each value for itself.
Source: kustomize api/filters/filtersutil/setters.go, kyaml RNode.SetYNode.
"""

from typing import Any

from engine.render.kustomize.model.scalars import Shared


class Replacements:
    """Values put in the place of others in one resource; all places are found at the end."""

    def __init__(self) -> None:
        self._groups: dict[int, int] = {}  # {id of a text: id of the one that it came from}
        self._latest: dict[int, Any] = {}  # {id of the one that it came from: its value now}
        self._alive: list[Any] = []  # as ids are given anew

    def put(self, old: Any, new: Any) -> Any:
        """What to write where `old` stands."""
        if not isinstance(old, Shared):
            return str(new) if isinstance(new, Shared) else new
        group = self._groups.get(id(old), id(old))
        value = Shared(new) if new.__class__ in (str, Shared) else new
        self._alive += [old, value]
        self._latest[group] = value
        self._groups |= {id(old): group, id(value): group}
        return value

    def spread(self, obj: Any) -> None:
        """Replace in place what stands at the other places of `obj`."""
        if not self._groups:
            return
        for key, value in obj.items() if isinstance(obj, dict) else enumerate(obj):
            if isinstance(value, (dict, list)):
                self.spread(value)
            elif isinstance(value, Shared) and id(value) in self._groups:
                obj[key] = self._latest[self._groups[id(value)]]
