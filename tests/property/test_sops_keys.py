"""Laws of sealed data keys: whatever stands in one, a reason comes back and nothing else."""

import base64
from contextlib import suppress
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st
from pyrage.x25519 import Identity
from pysequoia import ArmorKind, armor
from pysequoia.packet import Packet, PacketPile, Tag

from engine.plugin import KeyRing, KeyUnavailable
from engine.sops import MasterKey
from plugins.decryptors import age, pgp
from plugins.decryptors.pgp_message import TooLarge, Unopened, opened
from plugins.decryptors.pgp_session import Unknown
from tests.support.sops_vectors import FOLDER

NO_CONTEXT: Final[Any] = None  # they need none: no network, no clock
OLD: Final = KeyRing({"old.asc": FOLDER.joinpath("expired.asc").read_bytes()})
MESSAGE: Final = FOLDER.joinpath("expired.message").read_text()
LINES: Final = [line for line in MESSAGE.splitlines()[1:-1] if line and line[0] != "="]
BINARY: Final = base64.b64decode("".join(LINES))
IDENTITY: Final = Identity.generate()
DAMAGE: Final = st.lists(
    st.tuples(st.integers(0, len(BINARY) - 1), st.binary(max_size=4)), min_size=1, max_size=4
)


def subkey() -> Packet:
    packets = PacketPile.from_bytes(OLD.values["old.asc"])
    return next(packet for packet in packets if packet.tag == Tag.SecretSubkey)


def damaged(damage: list[tuple[int, bytes]]) -> bytes:
    content = BINARY
    for at, noise in damage:
        content = content[:at] + noise + content[at + max(1, len(noise)) :]
    return content


@given(DAMAGE)
async def test_a_damaged_pgp_message_never_opens_as_something_else(
    damage: list[tuple[int, bytes]],
) -> None:
    text = armor(damaged(damage), ArmorKind.Message)

    with suppress(KeyUnavailable):  # and no other exception
        found = await pgp.open_key(MasterKey("pgp", "A", text), OLD, NO_CONTEXT)
        assert found == b"0123456789abcdef0123456789abcdef"


@given(DAMAGE)
def test_a_damaged_message_to_an_expired_key_is_refused(damage: list[tuple[int, bytes]]) -> None:
    with suppress(TooLarge, Unopened, Unknown):  # and no other exception
        found = opened(damaged(damage), [subkey()])
        assert found == b"0123456789abcdef0123456789abcdef"


@given(st.one_of(st.text(max_size=200), st.binary(max_size=200).map(str)))
async def test_no_text_is_an_age_file_by_chance(text: str) -> None:
    ring = KeyRing({"a.agekey": str(IDENTITY).encode()})

    with suppress(KeyUnavailable):  # and no other exception
        await age.open_key(MasterKey("age", "age1x", text), ring, NO_CONTEXT)
        raise AssertionError("it opened")
