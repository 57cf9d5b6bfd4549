"""How requests say who they are."""

import base64
import importlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import anyio
import anyio.to_thread

from engine.cluster.errors import Unauthorized

TOKEN_FILE_PERIOD = 60.0  # seconds; client-go's period of reading a token file again
LOOK_PERIOD = 60.0  # seconds; the library renews what expires within 5 minutes, when it is asked
PLUGIN_TIMEOUT = 60.0  # seconds; a login that waits for a person must not hang the engine silently
FAILED_PERIOD = 5.0  # seconds in which a plugin that failed is not run again for all who wait


class Credentials(Protocol):
    """Headers that prove an identity; certificates are part of the TLS context instead."""

    async def headers(self, now: float) -> Mapping[str, str]:
        """What to send with a request at the monotonic instant `now`."""
        ...

    def refused(self, sent: Mapping[str, str]) -> None:
        """The API server answered 401 to `sent`: forget that, unless it was renewed meanwhile."""
        ...


@dataclass(frozen=True, slots=True)
class Fixed:
    """Headers that never change; none of them where a client certificate speaks."""

    values: Mapping[str, str] = field(default_factory=dict, repr=False)

    async def headers(self, now: float) -> Mapping[str, str]:
        """The headers."""
        return self.values

    def refused(self, sent: Mapping[str, str]) -> None:
        """Nothing can be done about it."""


def bearer(token: str) -> Fixed:
    """Credentials of a token that does not change."""
    return Fixed({"Authorization": f"Bearer {token}"})


def basic(username: str, password: str) -> Fixed:
    """Credentials of a user with a password."""
    text = base64.b64encode(f"{username}:{password}".encode()).decode()
    return Fixed({"Authorization": f"Basic {text}"})


class TokenFile:
    """A token in a file that somebody renews, as the kubelet does for service accounts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._headers: Mapping[str, str] = {}
        self._read_at = float("-inf")

    async def headers(self, now: float) -> Mapping[str, str]:
        """The token, read again after a minute or a refusal."""
        if now - self._read_at >= TOKEN_FILE_PERIOD:
            token = (await anyio.Path(self._path).read_text()).strip()
            self._headers = {"Authorization": f"Bearer {token}"}
            self._read_at = now
        return self._headers

    def refused(self, sent: Mapping[str, str]) -> None:
        """Have the file read again."""
        if _is_of(self._headers, sent):
            self._read_at = float("-inf")


class Library:
    """Exec plugins and OIDC, by kubernetes_asyncio; its 65 MiB are loaded on first use."""

    def __init__(self, config: Mapping[str, Any], context: str, tls: ssl.SSLContext | None) -> None:
        """config: a whole kubeconfig, file paths absolute; tls: gets the plugin's certificate."""
        self._config = config
        self._context = context
        self._tls = tls
        self._headers: Mapping[str, str] = {}
        self._loader: Any = None
        self._looked_at = float("-inf")
        self._failed_at = float("-inf")
        self._failure = ""
        self._lock = anyio.Lock()

    async def headers(self, now: float) -> Mapping[str, str]:
        """What the plugin or the identity provider gives.  Raises Unauthorized if it fails."""
        async with self._lock:
            if self._loader is None or (self._expires and now - self._looked_at >= LOOK_PERIOD):
                if now - self._failed_at < FAILED_PERIOD:
                    raise Unauthorized(0, "", self._failure)
                try:
                    with anyio.fail_after(PLUGIN_TIMEOUT):
                        await self._load()
                except Exception as error:  # the library's are many, and most are plain ones
                    why = str(error) or f"no answer within {PLUGIN_TIMEOUT:g} s"
                    self._failure = f"credentials of context {self._context!r}: {why}"
                    self._failed_at = now
                    raise Unauthorized(0, "", self._failure) from error
                self._looked_at = now
        return self._headers

    @property
    def _expires(self) -> bool:
        """Whether the library is to look, now and then, whether it must renew them."""
        return hasattr(self._loader, "exec_plugin_expiry") or self._loader.provider is not None

    async def _load(self) -> None:
        """Ask for everything again that is not there or expires within minutes."""
        names = ("kubernetes_asyncio.client", "kubernetes_asyncio.config.kube_config")
        client, config = [  # in a thread: it takes more than a second
            await anyio.to_thread.run_sync(importlib.import_module, name) for name in names
        ]
        loader = self._loader or config.KubeConfigLoader(dict(self._config), self._context)
        configuration = client.Configuration()
        await loader.load_and_set(configuration)
        if self._tls is not None and configuration.cert_file:
            self._tls.load_cert_chain(configuration.cert_file, configuration.key_file)
        token = (await configuration.auth_settings()).get("BearerToken", {}).get("value")
        self._headers = {"Authorization": token} if token else {}
        self._loader = loader

    def refused(self, sent: Mapping[str, str]) -> None:
        """Have everything asked for again."""
        if _is_of(self._headers, sent):
            self._loader = None


def _is_of(headers: Mapping[str, str], sent: Mapping[str, str]) -> bool:
    """Whether `sent` carried these credentials; many requests may be refused, one renewal does."""
    return headers.get("Authorization") == sent.get("Authorization")
