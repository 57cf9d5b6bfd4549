"""What holds for every decryptor and every identity, whoever gives it."""

import pytest

from engine.plugin import KeyRing, KeyUnavailable, Purpose, Scope, ServiceAccount, TokenUnavailable
from engine.sops.metadata import MasterKey
from plugins import PLUGIN
from tests.support.clouds.world import world

HOSTILE = (
    "",
    "x" * 10_000,
    "../../etc/passwd",
    "https://evil.example.com/v1/keys",
    "file:///etc/passwd",
    "\x00\n\r",
    "${jndi:ldap://evil.example.com}",
)
NOBODY = KeyRing()


@pytest.mark.parametrize("kind", PLUGIN.decryptors)
async def test_a_hostile_recipient_is_refused_and_nobody_is_asked(kind: str) -> None:
    async with world() as clouds:
        for recipient in HOSTILE:
            key = MasterKey(kind, recipient, "AAAA")
            with pytest.raises(KeyUnavailable):
                await PLUGIN.decryptors[kind].open(key, NOBODY, clouds.context())
            with pytest.raises(KeyUnavailable):
                await PLUGIN.decryptors[kind].seal(bytes(32), recipient, NOBODY, clouds.context())

        assert clouds.seen == []


@pytest.mark.parametrize("kind", PLUGIN.decryptors)
def test_an_empty_ring_holds_nothing(kind: str) -> None:
    assert PLUGIN.decryptors[kind].held(NOBODY) == frozenset()


@pytest.mark.parametrize("purpose", Purpose)
@pytest.mark.parametrize(
    "provider", sorted(PLUGIN.identities.keys() - {"generic"})
)  # asks nobody else
@pytest.mark.parametrize("account", [None, ServiceAccount("apps", "app")], ids=["own", "account"])
async def test_a_hostile_scope_is_refused_and_no_stranger_is_asked(
    provider: str, purpose: Purpose, account: ServiceAccount | None
) -> None:
    environ = {
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://machine.test",
        "AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://machine.test",
    }
    async with world() as clouds:
        clouds.kubernetes.account("app", {})
        clouds.serve("evil.example.com", lambda _: pytest.fail("a stranger was asked"))
        ctx = clouds.context(environ, object_level_workload_identity=True)

        for resource in HOSTILE:
            scope = Scope(purpose, resource, address=resource)
            with pytest.raises(TokenUnavailable):
                await ctx.token(provider, account, scope)

        assert clouds.asked("evil.example.com") == []
