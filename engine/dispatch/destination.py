"""A Provider with what its Secrets say: read for each delivery, kept by nobody.

Source: flux-behaviour 6.3; notification-controller internal/server event_handlers.go
(createNotifier); fluxcd/pkg runtime/secrets.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from engine.api.notification import ProviderSpec
from engine.cluster import ApiError, Client, Resource
from engine.cluster.destination import Destination, Undeliverable, Undelivered
from engine.cluster.outbound import Route
from engine.dispatch.directory import Service
from engine.errors import Failure
from engine.notice.audience import COMMIT_STATUS
from engine.objects.manifests import load_short
from engine.objects.ref import Ref
from engine.settings import Settings
from engine.source.proxies import Proxy

_SECRETS = Resource("", "v1", "Secret", "secrets", namespaced=True)
_LONGEST_ADDRESS = 2048  # characters, as spec.address
_TLS = (("ca.crt", "caFile"), ("tls.crt", "certFile"), ("tls.key", "keyFile"))

Values = Mapping[str, bytes]
Read = Callable[[str], Awaitable[Values]]


@dataclass(frozen=True, slots=True)
class _Found:
    """The values of the three Secrets, {} for one that is not named."""

    own: Values = field(default_factory=dict, repr=False)
    proxy: Values | None = field(default=None, repr=False)
    certificates: Values | None = field(default=None, repr=False)


async def destination_of(
    service: Service, status: str, client: Client, settings: Settings
) -> Destination:
    """Where to tell now.  Raises Undelivered: what is missing may come soon."""
    spec, metadata = service.provider.spec, service.provider.metadata

    async def read(name: str) -> Values:
        return await _values(metadata.namespace, name, client)

    found = _Found(
        await read(spec.secret_ref.name) if spec.secret_ref else {},
        await read(spec.proxy_secret_ref.name) if spec.proxy_secret_ref else None,
        await read(spec.cert_secret_ref.name) if spec.cert_secret_ref else None,
    )
    address = _text(found.own, "address").strip() if "address" in found.own else spec.address
    if len(address) > _LONGEST_ADDRESS:
        raise Undeliverable(f"'address' in the Secret is longer than {_LONGEST_ADDRESS} characters")
    proxy = _proxy(spec, found, f"{metadata.namespace}/")
    has_login = "username" in found.own and "password" in found.own
    return Destination(
        provider=Ref.of(service.obj),
        address=address,
        channel=spec.channel,
        username=_text(found.own, "username") if has_login else spec.username,
        password=_text(found.own, "password"),
        token=_text(found.own, "token"),
        headers=_headers(found.own),
        status=status,
        secret=found.own,
        route=_route(spec, found, proxy, is_guarded=settings.no_local_addresses),
        secrets=_secrets(found, address, proxy),
    )


async def _values(namespace: str, name: str, client: Client) -> Values:
    failed = f"failed to get secret '{namespace}/{name}': "
    try:
        obj = await client.get(_SECRETS, namespace, name)
    except ApiError as error:
        raise Undelivered(f"{failed}{error}") from error
    if obj is None:
        raise Undelivered(
            f"{failed}it does not exist: create it, or correct the Provider's reference"
        )
    try:
        data = obj.get("data") or {}
        return {key: base64.b64decode(value or "") for key, value in data.items()}
    except binascii.Error:
        raise Undeliverable(f"{failed}it holds a value that is not base64") from None


def _text(values: Values, key: str) -> str:
    try:
        return values.get(key, b"").decode()
    except UnicodeDecodeError:
        raise Undeliverable(f"'{key}' in the Secret is not UTF-8 text") from None


def _headers(values: Values) -> dict[str, str]:
    if not (text := _text(values, "headers")):
        return {}
    wrong = "'headers' in the Secret must be YAML: a mapping of names to texts"
    try:
        found = load_short(text.encode())
    except ValueError:
        raise Undeliverable(wrong) from None
    if not isinstance(found, Mapping):
        raise Undeliverable(wrong)
    if not all(isinstance(each, str) for pair in found.items() for each in pair):
        raise Undeliverable(f"{wrong}; put numbers into quotes")
    return dict(found)


def _proxy(spec: ProviderSpec, found: _Found, prefix: str) -> str:
    """The URL of the proxy with its login, "" for none; the newest way to name it counts."""
    if found.proxy is not None and spec.proxy_secret_ref is not None:
        try:
            return Proxy.from_secret(
                found.proxy, f"{prefix}{spec.proxy_secret_ref.name}"
            ).url_with_login
        except Failure as error:
            raise Undeliverable(error.message) from error
    return _text(found.own, "proxy").strip() or spec.proxy


def _route(spec: ProviderSpec, found: _Found, proxy: str, *, is_guarded: bool) -> Route:
    """How it is reached: with the certificates of `certSecretRef`, of which the older keys count.

    Types that mark commits take a `ca.crt` from their own Secret, too.
    """
    if found.certificates is not None:
        values = found.certificates
        ca, certificate, key = (values.get(new, values.get(old, b"")) for new, old in _TLS)
        if not ca and not (certificate and key):
            raise Undeliverable(
                "the Secret of spec.certSecretRef has neither 'ca.crt' nor 'tls.crt' and 'tls.key'"
            )
        return Route(proxy=proxy, ca=ca, is_guarded=is_guarded, certificate=certificate, key=key)
    ca = found.own.get("ca.crt", b"") if spec.type in COMMIT_STATUS else b""
    return Route(proxy=proxy, ca=ca, is_guarded=is_guarded)


def _secrets(found: _Found, address: str, proxy: str) -> tuple[str, ...]:
    """What no message may show; of the address the path too, as webhooks have their key there."""
    values = [*found.own.values(), *(found.proxy or {}).values()]
    texts = [value.decode(errors="replace") for value in values]
    for url in (address, proxy):
        if url:
            texts += [url, *_secret_parts(url)]
    return tuple(texts)


def _secret_parts(url: str) -> list[str]:
    try:
        parts = urlsplit(url)
        return [each for each in (parts.path.strip("/"), parts.query, parts.password) if each]
    except ValueError:
        return []
