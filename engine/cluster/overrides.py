"""What a caller says instead of the kubeconfig: another server, token or certificate.

Source: client-go tools/clientcmd (ConfigOverrides and their precedence).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_GIVEN = "given"  # the name of what no kubeconfig names


@dataclass(frozen=True, slots=True)
class Overrides:
    """Empty texts leave things as they are; files are paths."""

    cluster: str = ""  #: name in the kubeconfig
    user: str = ""  #: name in the kubeconfig
    server: str = ""
    server_name: str = ""
    authority: str = ""
    unverified_tls: bool = False
    certificate: str = ""
    key: str = ""
    token: str = field(default="", repr=False)


NO_OVERRIDES = Overrides()


def overridden(config: Mapping[str, Any], context: str, overrides: Overrides) -> dict[str, Any]:
    """A kubeconfig of one context: that of `config` as it is after the overrides.

    context: empty: its current one.   What is named but not there stays out: reading it says so.
    """
    name = context or str(config.get("current-context") or "")
    chosen = _entry(config, "context", name)
    if chosen is None and name:
        return {**config, "current-context": name}
    chosen = chosen or {}
    cluster = overrides.cluster or str(chosen.get("cluster") or "")
    user = overrides.user or str(chosen.get("user") or "")
    is_named = bool(overrides.cluster or not overrides.server)
    return {
        "clusters": _listed("cluster", cluster, config, _of_cluster(overrides), is_named),
        "users": _listed("user", user, config, _of_user(overrides), bool(user)),
        "contexts": [
            {
                "name": name or _GIVEN,
                "context": {**chosen, "cluster": cluster or _GIVEN, "user": user or _GIVEN},
            }
        ],
        "current-context": name or _GIVEN,
    }


def _listed(
    kind: str, name: str, config: Mapping[str, Any], changes: Mapping[str, Any], is_named: bool
) -> list[dict[str, Any]]:
    """The section with that one entry, changed; empty if it must be there and is not."""
    found = _entry(config, kind, name)
    if found is None and is_named:
        return []
    changed = {key: value for key, value in {**(found or {}), **changes}.items() if value != ""}
    return [{"name": name or _GIVEN, kind: changed}]


def _entry(config: Mapping[str, Any], kind: str, name: str) -> Mapping[str, Any] | None:
    for entry in config.get(f"{kind}s") or ():
        if entry.get("name") == name:
            inner: Mapping[str, Any] = entry.get(kind) or {}
            return inner
    return None


def _of_cluster(overrides: Overrides) -> dict[str, Any]:
    """Fields of the cluster; "" takes one away, as a file goes before data, and data before it."""
    changes: dict[str, Any] = {}
    if overrides.server:
        changes["server"] = overrides.server
    if overrides.server_name:
        changes["tls-server-name"] = overrides.server_name
    if overrides.authority or overrides.unverified_tls:
        changes["certificate-authority"] = overrides.authority
        changes["certificate-authority-data"] = ""
        changes["insecure-skip-tls-verify"] = overrides.unverified_tls or ""
    return changes


def _of_user(overrides: Overrides) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if overrides.token:
        changes |= {"token": overrides.token, "tokenFile": ""}
    for field_name, path in (
        ("client-certificate", overrides.certificate),
        ("client-key", overrides.key),
    ):
        if path:
            changes |= {field_name: path, f"{field_name}-data": ""}
    return changes
