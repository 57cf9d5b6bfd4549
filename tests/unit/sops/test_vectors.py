"""Files that the real sops and gpg made (tests/support/sops_vectors.py), without these programs."""

from datetime import UTC, datetime
from typing import Any, Final

import pytest

from engine.plugin import KeyRing
from engine.sops import Format, MasterKey, decrypted, format_of, is_marked, metadata_of, resealed
from plugins.decryptors import pgp
from tests.support.sops import data_key
from tests.support.sops_vectors import FOLDER, KEYS, NAMES

NOW: Final = datetime(2026, 11, 23, tzinfo=UTC)
NO_CONTEXT: Final[Any] = None  # it needs none: no network, no clock


@pytest.mark.parametrize("name", NAMES.values())
def test_a_file_of_sops_is_decrypted_byte_for_byte(name: str) -> None:
    content, format = FOLDER.joinpath(name).read_bytes(), format_of(name)

    plain = decrypted(content, format, KEYS[0].opened(content, format), verify_mac=True)

    assert plain == FOLDER.joinpath(f"{name}.plain").read_bytes()
    assert is_marked(content, format)


def test_two_of_three_groups_open_a_file() -> None:
    content = FOLDER.joinpath("groups.yaml").read_bytes()
    metadata = metadata_of(content, Format.YAML)
    assert metadata is not None

    key = data_key(metadata, KEYS)

    assert (len(metadata.groups), metadata.needed) == (3, 2)
    assert key is not None
    assert b"port: 8443" in decrypted(content, Format.YAML, key, verify_mac=True)


@pytest.mark.parametrize(
    "name", ["secret.yaml", "groups.yaml", "config.json", "shop.env", "shop.ini"]
)
def test_a_seal_for_the_same_recipients_changes_no_byte(name: str) -> None:
    content, format = FOLDER.joinpath(name).read_bytes(), format_of(name)
    metadata = metadata_of(content, format)
    assert metadata is not None

    again = resealed(content, format, metadata.groups, now=NOW, threshold=metadata.threshold)

    assert again == content


async def test_a_key_that_expired_opens_what_gpg_sealed_for_it() -> None:
    ring = KeyRing({"old.asc": FOLDER.joinpath("expired.asc").read_bytes()})
    (name, *_) = sorted(pgp.held(ring))
    message = FOLDER.joinpath("expired.message").read_text()

    opened = await pgp.open_key(MasterKey("pgp", name, message), ring, NO_CONTEXT)

    assert opened == b"0123456789abcdef0123456789abcdef"
