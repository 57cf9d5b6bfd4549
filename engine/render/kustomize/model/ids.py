"""Which resource is meant: kustomize's ids, and the rules by which two of them are the same.

Source: kyaml resid/gvk.go, resid/resid.go.
"""

from functools import lru_cache
from typing import NamedTuple, TypeAlias

CLUSTER = "_non_namespaceable_"
"""The namespace of what certainly has none; no real namespace can be called so."""


class Gvk(NamedTuple):
    """Group, version and kind; as a selector, an empty part matches all."""

    group: str = ""
    version: str = ""
    kind: str = ""

    @staticmethod
    @lru_cache(maxsize=1000, typed=True)  # a text may remember more than it says
    def of(api_version: str, kind: str) -> "Gvk":
        """From an `apiVersion` and a `kind`."""
        group, slash, version = api_version.partition("/")
        return Gvk(group, version, kind) if slash else Gvk("", api_version, kind)

    @property
    def api_version(self) -> str:
        """`group/version`, or the version alone."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def is_selected_by(self, selector: "Gvk") -> bool:
        """True if every part that `selector` names is the same here."""
        return (
            selector.group in ("", self.group)
            and selector.version in ("", self.version)
            and selector.kind in ("", self.kind)
        )

    def __str__(self) -> str:
        """`Kind.version.group`, as kustomize's messages have it."""
        return f"{self.kind or '[noKind]'}.{self.version or '[noVer]'}.{self.group or '[noGrp]'}"


ANY = Gvk()
"""Selects every kind."""


IdKey: TypeAlias = tuple[Gvk, str, str]
"""Kind, name and effective namespace."""


class Id(NamedTuple):
    """A resource's identity at one moment of the build.

    is_cluster: True if the kind is known to have no namespace.
    """

    gvk: Gvk
    name: str
    namespace: str
    is_cluster: bool

    @property
    def effective_namespace(self) -> str:
        """The namespace that counts: "default" if none is given."""
        return CLUSTER if self.is_cluster else self.namespace or "default"

    @property
    def key(self) -> "IdKey":
        """Equal exactly if two ids mean the same resource."""
        return self.gvk, self.name, self.effective_namespace

    def __str__(self) -> str:
        """As kustomize's messages have it."""
        return f"{self.gvk}/{self.name or '[noName]'}.{self.namespace or '[noNs]'}"
