"""A kind as the API server serves it: the path under which its objects live."""

from dataclasses import dataclass
from urllib.parse import quote

from engine.api import Kind
from engine.cluster.errors import Invalid


@dataclass(frozen=True, slots=True)
class Resource:
    """A served kind; empty group is the core group."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    verbs: frozenset[str] = frozenset()
    subresources: frozenset[str] = frozenset()  #: `status`, `scale`, ...

    @property
    def api_version(self) -> str:
        """`apps/v1`, or `v1` in the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def title(self) -> str:
        """`deployments.apps`, as messages and metrics write it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path of the collection or, with a name, of one object.

        namespace: ignored for kinds of cluster scope; empty: the collection of all namespaces.
        Raises Invalid for names that would lead elsewhere.
        """
        parts = ["apis", self.group] if self.group else ["api"]
        parts.append(self.version)
        if self.namespaced and namespace:
            parts += ["namespaces", _segment(namespace)]
        parts.append(self.plural)
        if name:
            parts.append(_segment(name))
        if subresource:
            parts.append(subresource)
        return "/" + "/".join(parts)

    def __str__(self) -> str:
        """`apps/v1 Deployment`."""
        return f"{self.api_version} {self.kind}"


DEFINITIONS = Resource(
    "apiextensions.k8s.io",
    "v1",
    "CustomResourceDefinition",
    "customresourcedefinitions",
    namespaced=False,
)

PODS = Resource("", "v1", "Pod", "pods", namespaced=True)


def resource_of(kind: Kind) -> Resource:
    """Where the objects of one of Flux's kinds are served."""
    return Resource(kind.group, kind.version, kind.name, kind.plural, namespaced=True)


def is_name(name: str) -> bool:
    """Whether an object of some kind may have that name; those of RBAC hold almost anything.

    Source: apimachinery api/validation/path, IsValidPathSegmentName.
    """
    return name not in (".", "..") and "/" not in name and "%" not in name


def _segment(name: str) -> str:
    """The name as part of a path."""
    if not is_name(name):
        raise Invalid(0, "Invalid", f"{name!r} is no name: it may not hold '/' or '%', nor be dots")
    return quote(name, safe="")
