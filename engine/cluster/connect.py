"""Finds the API server: a kubeconfig, or the cluster that the process runs in."""

import os
import ssl
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.cluster import kubeconfig
from engine.cluster.credentials import TokenFile
from engine.cluster.endpoint import Endpoint
from engine.cluster.kubeconfig import InvalidKubeconfig, Licence, trust_of
from engine.cluster.overrides import NO_OVERRIDES, Overrides, overridden
from engine.source.proxies import proxy_of

__all__ = [
    "Endpoint",
    "InvalidKubeconfig",
    "Licence",
    "Overrides",
    "from_kubeconfig",
    "from_tenant",
    "in_cluster",
    "locate",
]

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def locate(
    path: str = "",
    context: str = "",
    environment: Mapping[str, str] = os.environ,
    overrides: Overrides = NO_OVERRIDES,
) -> Endpoint:
    """The API server that kubectl would use, or the one that this pod belongs to.

    path: a kubeconfig; empty: `KUBECONFIG` (several, separated like PATH), else in a pod the
    cluster's own service account, else `~/.kube/config`.   context: empty: the current one.
    Raises InvalidKubeconfig.
    """
    configured = path or environment.get("KUBECONFIG", "")
    is_plain = not configured and not context and overrides == NO_OVERRIDES
    if is_plain and "KUBERNETES_SERVICE_HOST" in environment:
        return in_cluster(environment)
    home = Path(environment.get("HOME", "~")).expanduser()
    names = [name for name in configured.split(os.pathsep) if name]
    files = [Path(name) for name in names] or [home / ".kube" / "config"]
    if overrides == NO_OVERRIDES:
        return from_kubeconfig(files, context, environment)
    needs_none = not configured and not context and overrides.server
    config = {} if needs_none and not files[0].exists() else kubeconfig.read(files)
    name = os.pathsep.join(map(str, files))
    endpoint = kubeconfig.parse(overridden(config, context, overrides), file=name)
    return proxied(endpoint, environment)


def from_kubeconfig(
    source: Path | list[Path] | Mapping[str, Any],
    context: str = "",
    environment: Mapping[str, str] = os.environ,
) -> Endpoint:
    """The API server of a kubeconfig of our own: a file, several merged, or its content.

    Raises InvalidKubeconfig.
    """
    if isinstance(source, Mapping):
        endpoint = kubeconfig.parse(source, file="<given>", context=context)
    else:
        files = [source] if isinstance(source, Path) else source
        name = os.pathsep.join(map(str, files))
        endpoint = kubeconfig.parse(kubeconfig.read(files), file=name, context=context)
    return proxied(endpoint, environment)


def from_tenant(
    content: bytes, name: str, licence: Licence, environment: Mapping[str, str] = os.environ
) -> Endpoint:
    """The API server of a kubeconfig that a tenant gives, as far as he may.

    name: what messages call it.   Raises InvalidKubeconfig.
    """
    config = kubeconfig.decode_tenants(content, name)
    kubeconfig.check_sections(config, name)
    return proxied(kubeconfig.parse(config, file=name, tenant=licence), environment)


def in_cluster(
    environment: Mapping[str, str] = os.environ, folder: Path = SERVICE_ACCOUNT
) -> Endpoint:
    """The API server of the pod's own cluster, as its service account.

    Raises InvalidKubeconfig if this is no pod, or one without a mounted service account.
    """
    host, port = (environment.get(f"KUBERNETES_SERVICE_{part}", "") for part in ("HOST", "PORT"))
    if not host:
        raise InvalidKubeconfig("not in a cluster: KUBERNETES_SERVICE_HOST is not set")
    if not (folder / "token").exists():
        raise InvalidKubeconfig(f"service account {str(folder)!r}: there is no 'token'")
    try:
        tls = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    except OSError as error:
        raise InvalidKubeconfig(f"service account {str(folder)!r}: ca.crt: {error}") from error
    tls.verify_flags &= ~ssl.VERIFY_X509_STRICT
    address = f"[{host}]" if ":" in host else host
    namespace = folder / "namespace"
    endpoint = Endpoint(
        host=f"https://{address}:{port or 443}",
        tls=tls,
        trust=trust_of(tls),
        credentials=TokenFile(folder / "token"),
        namespace=namespace.read_text().strip() if namespace.exists() else "",
    )
    return proxied(endpoint, environment)


def proxied(endpoint: Endpoint, environment: Mapping[str, str]) -> Endpoint:
    """The endpoint with the environment's proxy, looked up once as it costs 0.5 ms a request."""
    if endpoint.proxy:
        return endpoint
    return replace(endpoint, proxy=proxy_of(endpoint.host, environment))
