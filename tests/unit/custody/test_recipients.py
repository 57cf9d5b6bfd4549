"""One key in its many spellings."""

import pytest

from engine.custody.recipients import Recipient, UnknownRecipient

FINGERPRINT = "749506633512E1B19C09553DFA1E7382E9C9DCD0"
ARN = "arn:aws:kms:eu-central-1:123456789012:key/abc"
VAULT = "https://x.vault.azure.net/keys/k"


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        (" age1abc ", "age", "age1abc"),
        ("ssh-ed25519 AAAA me@host", "age", "ssh-ed25519 AAAA"),
        (
            "7495 0663 3512 e1b1 9c09  553d fa1e 7382 e9c9 dcd0".replace("  ", " "),
            "pgp",
            FINGERPRINT,
        ),
        (f"0x{FINGERPRINT}", "pgp", FINGERPRINT),
        (f"{ARN} + arn:aws:iam::1:role/r", "kms", f"{ARN}+arn:aws:iam::1:role/r"),
        ("projects/p/locations/l/keyRings/r/cryptoKeys/k", "gcp_kms", None),
        (VAULT, "azure_kv", f"{VAULT}/"),
        (f"{VAULT}/v1", "azure_kv", f"{VAULT}/v1"),
        ("https://vault:8200/v1/sops/keys/k", "hc_vault", None),
    ],
)
def test_a_text_names_a_key(text: str, kind: str, name: str | None) -> None:
    assert Recipient.of_text(text) == Recipient(kind, name or text)


def test_a_text_that_names_nobody_is_refused_with_what_would_be_one() -> None:
    with pytest.raises(UnknownRecipient, match=r"'bob' names no recipient: write age1\.\.\."):
        Recipient.of_text("bob")


def test_a_key_of_azure_without_version_is_any_version_of_it() -> None:
    whole, bare = Recipient.of_text(f"{VAULT}/v1"), Recipient.of_text(VAULT)

    assert whole.is_same(bare)
    assert not whole.is_same(Recipient.of_text(f"{VAULT}/v2"))
    assert not bare.is_same(Recipient.of_text(f"{VAULT}2/v1"))
