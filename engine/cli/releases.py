"""What a Helm release consists of, read off Helm's own storage.

Source: flux2 cmd/flux/tree_kustomization.go; helm pkg/storage/driver: a Secret
`sh.helm.release.v1.<name>.v<version>` whose `release` is JSON, gzipped, in base64.
"""

import zlib
from base64 import b64decode
from typing import Any, Final

import orjson

from engine.cli.kinds import KINDS
from engine.cli.problems import Problem
from engine.cli.resources import Resources, served
from engine.cluster import Client, Resource
from engine.objects.manifests import parse
from engine.objects.ref import Object, Ref

_SECRETS: Final = Resource("", "v1", "Secret", "secrets", namespaced=True)
_GZIP: Final = b"\x1f\x8b\x08"
_MOST: Final = 64 * 2**20  # bytes; a release has at most 1 MiB, gzipped


async def objects_of(client: Client, release: Ref) -> list[Ref]:
    """The objects of the newest release of a HelmRelease; none if it has none here.

    Raises Problem if what Helm stored cannot be read, ApiError.
    """
    obj = await client.get(KINDS["HelmRelease"].resource, release.namespace, release.name)
    status = (obj or {}).get("status") or {}
    newest: dict[str, Any] = next(iter(status.get("history") or ()), {})
    place = status.get("storageNamespace")
    if obj is None or not place or not newest or (obj.get("spec") or {}).get("kubeConfig"):
        return []
    name = f"sh.helm.release.v1.{newest['name']}.v{newest['version']}"
    stored = await client.get(_SECRETS, place, name)
    if stored is None:
        return []
    manifest = _manifest(stored, str(release))
    resources = await served(client)
    return [_ref(each.obj, resources, newest) for each in parse(manifest.encode(), name)]


def _manifest(stored: Object, title: str) -> str:
    """The YAML of the release.  Raises Problem."""
    try:
        data = b64decode(b64decode(stored["data"]["release"]))
        if data.startswith(_GZIP):
            data = zlib.decompressobj(wbits=31).decompress(data, _MOST)
        return str(orjson.loads(data).get("manifest") or "")
    except (KeyError, ValueError, zlib.error) as error:
        raise Problem(
            f"failed to decode the Helm storage object for {title}: {type(error).__name__}; "
            "was it written by Helm?"
        ) from error


def _ref(obj: Object, resources: Resources, newest: Object) -> Ref:
    """The Ref of an object of a manifest, which need not name its namespace."""
    ref = Ref.of(obj)
    if ref.namespace:
        return ref
    try:
        namespaced = resources.of(obj["apiVersion"], obj["kind"]).namespaced
    except Problem:
        namespaced = False
    return Ref(ref.group, ref.kind, newest.get("namespace", "") if namespaced else "", ref.name)
