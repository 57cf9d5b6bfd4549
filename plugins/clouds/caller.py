"""As whom a key service is asked: the Secret's own credentials, a service account, or the pod."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import orjson

from engine.plugin import Context, KeyRing, Purpose, Scope, ServiceAccount, Token
from plugins.clouds.answers import Refused, check, document

_ENDED = re.compile(r"ExpiredToken|UnrecognizedClient|InvalidClientTokenId")  # AWS, by 400 and 403


@dataclass(frozen=True, slots=True)
class Caller:
    """One identity towards one cloud, and its name in messages."""

    name: str
    account: ServiceAccount | None
    secret: Mapping[str, bytes] = field(repr=False)
    ctx: Context = field(repr=False)

    @classmethod
    def of(cls, ring: KeyRing, static: str, ctx: Context) -> Self:
        """As Flux chooses: static credentials, else the service account, else the engine's own.

        static: the key of the decryption Secret under which credentials may stand.
        """
        if static in ring.values:
            name = f"'{static}' of the decryption Secret"
            return cls(name, None, {static: ring.values[static]}, ctx)
        if ring.account is not None:
            name = f"service account '{ring.account.namespace}/{ring.account.name}'"
            return cls(name, ring.account, {}, ctx)
        return cls(ctx.whose, None, {}, ctx)

    async def token(self, provider: str, resource: str, role: str = "") -> Token:
        """Its credential for a key.  Raises TokenUnavailable, FeatureGateDisabled."""
        scope = Scope(Purpose.KEYS, resource, role=role, secret=self.secret)
        return await self.ctx.token(provider, self.account, scope)

    async def answer(
        self,
        provider: str,
        resource: str,
        url: str,
        body: Mapping[str, str] | None,
        what: str,
    ) -> dict[str, Any]:
        """What a service with bearer tokens says.  body: as JSON; None asks by GET.

        Raises Refused, Unanswered, TokenUnavailable.
        """
        token = await self.token(provider, resource)
        headers = {"Authorization": f"Bearer {token.secret}", "Content-Type": "application/json"}
        method, sent = ("GET", b"") if body is None else ("POST", orjson.dumps(body))
        found = await self.ctx.http.send(method, url, headers=headers, body=sent)
        try:
            check(found, what, (token.secret,))
        except Refused as error:
            self.refused(token, error)
            raise
        return document(found, what)

    def refused(self, token: Token, error: Exception) -> None:
        """Have the next credential be another, if its cloud does not know this one (any longer)."""
        if isinstance(error, Refused) and (error.status == 401 or _ENDED.search(str(error))):
            self.ctx.refused(token)


def is_forbidden(error: Exception) -> bool:
    """Whether the service knows who asks, and does not let him."""
    return isinstance(error, Refused) and error.status == 403


def none_held(ring: KeyRing) -> frozenset[str]:
    """Nothing: which keys an identity may use only its cloud knows."""
    del ring
    return frozenset()
