"""Clusters that are entered with tokens of a cloud, or of the engine's own cluster (OIDC).

Source: fluxcd/pkg auth (restconfig.go, utils/restconfig.go); flux-behaviour 1.9.
"""

import ssl
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

import anyio

from engine.cluster.connect import InvalidKubeconfig, proxied
from engine.cluster.endpoint import Endpoint
from engine.cluster.errors import Unauthorized
from engine.cluster.kubeconfig import trust_of
from engine.plugin import Purpose, Scope, ServiceAccount, Token, TokenUnavailable
from engine.reconcile.run import Run
from engine.runtime import Clock

_PROVIDERS = ("aws", "azure", "gcp", "generic")
_SOONER = 120.0  # seconds before its end at which a token is asked for again
_SHARE = 0.8  # of its time that it is used, as Flux's token cache


def issued_endpoint(
    config: Mapping[str, str], name: str, run: Run
) -> Callable[[], Awaitable[Endpoint]]:
    """What makes the endpoint that a ConfigMap describes.

    config: keys provider, cluster, address, ca.crt, audiences, serviceAccountName.   name: of the
    ConfigMap.   Raises InvalidKubeconfig; the endpoint's making TokenUnavailable, too.
    """
    provider, address = config.get("provider", ""), config.get("address", "").strip()
    if provider not in _PROVIDERS:
        raise InvalidKubeconfig(
            f"configmap '{name}': provider: '{provider}' is none of {', '.join(_PROVIDERS)}"
        )
    if provider == "generic" and not address:
        raise InvalidKubeconfig(f"configmap '{name}': address: is not set, as 'generic' needs it")
    if address:
        address = api_address(address, name)
    namespace = run.turn.key.namespace
    account = config.get("serviceAccountName", "").strip()
    account = account or run.engine.settings.default_kubeconfig_service_account
    audiences = tuple(filter(None, map(str.strip, config.get("audiences", "").splitlines())))
    if provider == "generic":
        if audiences and not account:
            raise InvalidKubeconfig(
                f"configmap '{name}': audiences: a token of the engine itself is made for the "
                "address alone, as elsewhere it would have the engine's rights: name a service "
                "account in serviceAccountName, or leave audiences out"
            )
        audiences = audiences or (config["address"].strip(),)
    ca, cluster = config.get("ca.crt", "").encode(), config.get("cluster", "").strip()
    scope = Scope(Purpose.CLUSTER, cluster, address, audiences, ca)
    identity = ServiceAccount(namespace, account) if account else None
    context = run.context

    async def ask() -> Token:
        return await context.token(provider, identity, scope)

    async def endpoint() -> Endpoint:
        token = await ask()
        host = address or api_address(token.address, name)
        trusted = (ca or token.ca).decode()
        tls = _tls(trusted, name)
        credentials = Issued(ask, context.clock)
        trust = trust_of(tls) if trusted else ""
        return proxied(
            Endpoint(host=host, tls=tls, trust=trust, credentials=credentials), context.environ
        )

    return endpoint


def api_address(address: str, name: str) -> str:
    """The URL of an API server, which is https and has a port.  Raises InvalidKubeconfig."""
    if not address:
        raise InvalidKubeconfig(f"configmap '{name}': no address of the cluster is known: set it")
    url = urlsplit(address if address.startswith("http") else f"https://{address}")
    try:
        port = url.port or 443
    except ValueError:
        port = 0
    if url.scheme != "https" or not url.hostname or not port or url.username is not None:
        raise InvalidKubeconfig(f"configmap '{name}': address: must be https://host[:port]")
    host = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
    return f"https://{host}:{port}"


def _tls(ca: str, name: str) -> ssl.SSLContext:
    try:
        tls = ssl.create_default_context(cadata=ca or None)
    except (OSError, ValueError) as error:
        raise InvalidKubeconfig(f"configmap '{name}': ca.crt: no certificate: {error}") from error
    tls.verify_flags &= ~ssl.VERIFY_X509_STRICT  # as of every other API server
    return tls


class Issued:
    """A bearer token that is asked for again before it ends, or once it is refused."""

    def __init__(self, ask: Callable[[], Awaitable[Token]], clock: Clock) -> None:
        self._ask, self._clock = ask, clock
        self._headers: Mapping[str, str] = {}
        self._until = float("-inf")
        self._lock = anyio.Lock()

    async def headers(self, now: float) -> Mapping[str, str]:
        """The token.  Raises Unauthorized if there is none to be had."""
        async with self._lock:
            if now >= self._until:
                try:
                    token = await self._ask()
                except TokenUnavailable as error:
                    raise Unauthorized(0, "", str(error)) from error
                left = token.expires_at - self._clock.wall()
                self._until = now + max(0.0, min(left * _SHARE, left - _SOONER))
                self._headers = {"Authorization": f"Bearer {token.secret}"}
        return self._headers

    def refused(self, sent: Mapping[str, str]) -> None:
        """Have it asked for again."""
        if self._headers.get("Authorization") == sent.get("Authorization"):
            self._until = float("-inf")
