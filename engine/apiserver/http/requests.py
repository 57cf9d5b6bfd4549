"""From method and path to what is asked for.

Source: apiserver endpoints/request (RequestInfo).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from engine.apiserver.errors import method_not_allowed, unknown_resource
from engine.apiserver.kinds.resources import Resource, Resources

_VERBS = {
    ("GET", True): "get",
    ("HEAD", True): "get",
    ("GET", False): "list",
    ("HEAD", False): "list",
    ("POST", False): "create",
    ("PUT", True): "update",
    ("PATCH", True): "patch",
    ("DELETE", True): "delete",
    ("DELETE", False): "deletecollection",
}
_OF_NAMESPACES = ("status", "finalize")


@dataclass(frozen=True, slots=True)
class Path:
    """A path below `/api` or `/apis`; namespace None: none is named; "" where a part is absent."""

    group: str
    version: str
    plural: str
    namespace: str | None = None
    name: str = ""
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A verb on a resource.  namespace None: all namespaces, or cluster scope."""

    verb: str
    resource: Resource
    namespace: str | None
    name: str
    subresource: str


def parse_path(text: str) -> Path | None:
    """The parts of a path, or None if it names no resource."""
    parts = text.strip("/").split("/")
    if parts[0] == "api" and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = None
    if rest[0] == "namespaces" and len(rest) > 2 and (group or rest[2] not in _OF_NAMESPACES):
        namespace, rest = rest[1], rest[2:]
    name = rest[1] if len(rest) > 1 else ""
    return Path(group, version, rest[0], namespace, name, "/".join(rest[2:]))


def wanted(method: str, path: Path, query: Mapping[str, str], resources: Resources) -> Wanted:
    """What is asked of which resource.  Raises Refused (404, 405)."""
    resource = resources.find(path.group, path.version, path.plural)
    if resource is None:
        raise unknown_resource()
    if path.namespace is not None and not resource.namespaced:
        raise unknown_resource()
    verb = _VERBS.get((method, bool(path.name)))
    if method == "POST" and path.subresource:
        verb = "create"
    if verb == "list" and query.get("watch", "false").lower() not in ("false", "0"):
        verb = "watch"
    allowed = resource.verbs
    if path.subresource:
        subresource = resource.subresources.get(path.subresource)
        if subresource is None:
            raise unknown_resource()
        allowed = subresource.verbs
    if verb is None or verb not in allowed or _lacks_namespace(verb, resource, path):
        raise method_not_allowed()
    return Wanted(verb, resource, path.namespace, path.name, path.subresource)


def _lacks_namespace(verb: str, resource: Resource, path: Path) -> bool:
    if not resource.namespaced or path.namespace is not None:
        return False
    return bool(path.name) or verb in ("create", "deletecollection")
