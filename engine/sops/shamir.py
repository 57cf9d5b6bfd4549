"""A data key in shares, of which a few suffice: Shamir's scheme over GF(256), byte by byte.

Source: getsops/sops `shamir/shamir.go` (the field of AES; a share ends with its x coordinate).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from engine.sops.error import SopsError
from engine.sops.metadata import MasterKey, Metadata

MAX_SHARES: Final = 255
"""Points of the field other than zero, which is where the secret stands."""

_SECRET_BYTES: Final = 64
"""Longer than any data key, so that a hostile file cannot make long work."""


def combined(metadata: Metadata, parts: Mapping[MasterKey, bytes]) -> bytes | None:
    """The data key, from what opened keys gave; None: too few groups were opened.

    parts: {key: what its Decryptor gave}; one key of a group is enough.
    Raises SopsError if the shares do not fit together.
    """
    shares = []
    for group in metadata.groups:
        share = next((parts[key] for key in group if key in parts), None)
        if share is not None:
            shares.append(share)
    if len(shares) < metadata.needed:
        return None
    return shares[0] if len(metadata.groups) == 1 else _joined(shares)


def split(
    data_key: bytes, groups: int, threshold: int, noise: Callable[[int], bytes]
) -> tuple[bytes, ...]:
    """The share of each group; one group's share is the data key itself.

    threshold: 2 to groups, 0 = all.  noise: so many random bytes, as `secrets.token_bytes` gives.
    Raises SopsError for more than 255 groups or a threshold out of range.
    """
    if groups == 1:
        return (data_key,)
    needed = threshold or groups
    if not 2 <= needed <= groups <= MAX_SHARES:
        raise SopsError(
            f"{needed} of {groups} key groups cannot be required: it takes 2 to {MAX_SHARES} "
            "groups and a threshold from 2 to their number"
        )
    polynomials = [bytes((byte,)) + noise(needed - 1) for byte in data_key]
    return tuple(
        bytes(_at(polynomial, x) for polynomial in polynomials) + bytes((x,))
        for x in range(1, groups + 1)
    )


def _joined(shares: Sequence[bytes]) -> bytes:
    """The secret that the shares are of: their polynomials' values at zero."""
    length = len(shares[0])
    points = [share[-1] if share else 0 for share in shares]
    if len(shares) < 2 or not 2 <= length <= _SECRET_BYTES + 1 or 0 in points:
        raise SopsError("the shares of the data key are not what sops makes")
    if any(len(share) != length for share in shares) or len(set(points)) < len(points):
        raise SopsError("the shares of the data key do not fit together: are groups mixed up?")
    weights = [_weight(point, points) for point in points]
    secret = bytearray(length - 1)
    for share, weight in zip(shares, weights, strict=True):
        for at in range(length - 1):
            secret[at] ^= _times(share[at], weight)
    return bytes(secret)


def _weight(point: int, points: Sequence[int]) -> int:
    """Lagrange's factor of one point for the value at zero."""
    weight = 1
    for other in points:
        if other != point:
            weight = _times(weight, _times(other, _INVERSE[point ^ other]))
    return weight


def _at(polynomial: bytes, x: int) -> int:
    """The polynomial's value, its lowest coefficient first."""
    value = 0
    for coefficient in reversed(polynomial):
        value = _times(value, x) ^ coefficient
    return value


def _tables() -> tuple[list[int], list[int]]:
    """(powers of the generator 3, twice over; their logarithms)."""
    powers, logarithms, value = [], [0] * 256, 1
    for exponent in range(255):
        powers.append(value)
        logarithms[value] = exponent
        doubled = value << 1
        value ^= doubled ^ 0x11B if doubled & 0x100 else doubled
    return powers * 2, logarithms


_POWERS, _LOGARITHMS = _tables()
_INVERSE: Final = [0] + [_POWERS[255 - _LOGARITHMS[number]] for number in range(1, 256)]


def _times(a: int, b: int) -> int:
    return _POWERS[_LOGARITHMS[a] + _LOGARITHMS[b]] if a and b else 0
