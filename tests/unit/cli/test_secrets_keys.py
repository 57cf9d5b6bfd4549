"""The keys and credentials of whoever runs `lockstep secrets`."""

import pytest

from engine.cli.secrets_keys import whole_opening
from engine.plugin import KeyRing

CANARY = b"c4n4ry-token"


@pytest.mark.parametrize(
    ("address", "values", "addresses"),
    [
        ("https://vault:8200", {"sops.vault-token": CANARY}, ("https://vault:8200",)),
        ("", {}, ()),
    ],
)
async def test_the_token_of_a_vault_goes_to_the_address_of_the_environment_only(
    monkeypatch: pytest.MonkeyPatch,
    address: str,
    values: dict[str, bytes],
    addresses: tuple[str, ...],
) -> None:
    monkeypatch.setenv("VAULT_TOKEN", CANARY.decode())
    monkeypatch.setenv("VAULT_ADDR", address)

    async with whole_opening(KeyRing()) as opening:
        assert opening.means.ring.values == values
        assert opening.context.settings.sops_vault_addresses == addresses
        assert CANARY.decode() not in repr(opening)
