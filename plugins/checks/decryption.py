"""Whether decryption Secrets are there, hold keys, and hold none that ends soon."""

import binascii
from base64 import b64decode
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from engine.api.meta import KUSTOMIZE_GROUP
from engine.cluster import Resource, UnknownKind
from engine.objects.ref import Object
from engine.plugin import Context, Finding, KeyRing, Severity, load

_SECRETS = Resource("", "v1", "Secret", "secrets", namespaced=True)
_ENDINGS = (".agekey", ".asc")
_STATIC = ("sops.",)  # credentials of clouds and Vault
_SOON = 30 * 86_400.0  # seconds, as the engine's own warning
_SHOWN = 3  # Kustomizations in a finding


async def check(context: Context) -> Iterable[Finding]:
    """A finding for each decryption Secret with which something is wrong."""
    users = await _users(context)
    findings: list[Finding] = []
    for (namespace, name), names in sorted(users.items()):
        title = f"decryption Secret {namespace}/{name} of {_listed(names)}"
        secret = await context.client.get(_SECRETS, namespace, name)
        findings += judged(title, secret, context.clock.wall())
    if not findings and users:
        what = f"all {len(users)} decryption Secrets hold keys, none of which ends soon"
        findings = [Finding(Severity.OK, what)]
    return findings or [Finding(Severity.OK, "no Kustomization names a decryption Secret")]


async def _users(context: Context) -> dict[tuple[str, str], list[str]]:
    """{(namespace, name) of a Secret: names of the Kustomizations}."""
    found: dict[tuple[str, str], list[str]] = {}
    try:
        resource = await context.client.discovery.resource(KUSTOMIZE_GROUP, "v1", "Kustomization")
    except UnknownKind:
        return found
    for each in (await context.client.list(resource)).items:
        decryption = (each.get("spec") or {}).get("decryption") or {}
        name = (decryption.get("secretRef") or {}).get("name")
        if name:
            namespace = each["metadata"]["namespace"]
            found.setdefault((namespace, name), []).append(each["metadata"]["name"])
    return found


def judged(title: str, secret: Object | None, now: float) -> list[Finding]:
    """What is wrong with a Secret; it quotes no value.  now: seconds since 1970."""
    if secret is None:
        fix = "create it: kubectl create secret generic NAME --from-file=age.agekey=FILE"
        return [Finding(Severity.ERROR, f"{title} does not exist", fix)]
    data: Mapping[str, Any] = secret.get("data") or {}
    if not any(key.endswith(_ENDINGS) or key.startswith(_STATIC) for key in data):
        what = f"{title} has no key that is read"
        return [Finding(Severity.ERROR, what, "its keys must end in .agekey or .asc, or be sops.*")]
    ring = KeyRing({key: _decoded(value) for key, value in data.items()})
    ends = {name: at for each in load().decryptors.values() for name, at in each.ends(ring).items()}
    return [_ending(title, name, at, now) for name, at in sorted(ends.items()) if at - now < _SOON]


def _ending(title: str, name: str, at: float, now: float) -> Finding:
    day = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
    verb = "ended" if at <= now else "ends"
    what = f"{title}: OpenPGP key {name} {verb} on {day}"
    return Finding(Severity.WARNING, what, "extend it, or `lockstep secrets rotate` to another")


def _decoded(value: Any) -> bytes:
    try:
        return b64decode(str(value))
    except (binascii.Error, ValueError):
        return b""


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(sorted(names)[:_SHOWN]) + more
