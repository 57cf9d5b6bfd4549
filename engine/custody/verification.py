"""Files decrypted and verified with the keys at hand, and keys that end."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from engine.custody.files import content_of
from engine.custody.flaws import Flaw, Severity
from engine.custody.survey import Sealed
from engine.reconcile.opening import Opening
from engine.render import SealedKey
from engine.render.decrypt_files import documents_under
from engine.sops import Format, SopsError, decrypted

WITHIN: Final = 120.0
"""Seconds for opening all data keys."""
SOON: Final = 30 * 86_400.0
"""Seconds before its end at which a key is due to be renewed."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What decrypting has shown.  unknown: how many files no key at hand opens."""

    flaws: tuple[Flaw, ...]
    good: int
    unknown: int


async def verified(root: Path, files: Sequence[Sealed], opening: Opening) -> Verified:
    """Each file decrypted, and its MAC verified; nothing of it is kept."""
    keys = {each.file: SealedKey.of(each.metadata, each.place) for each in files if each.metadata}
    got = await opening.bring(tuple(dict.fromkeys(keys.values())), WITHIN)
    flaws: list[Flaw] = []
    good = unknown = 0
    for sealed in files:
        key = keys.get(sealed.file)
        data_key = got.data_keys.get(key.id) if key is not None else None
        if data_key is None:
            unknown += key is not None
            continue
        try:
            content = verifiable(content_of(root / sealed.file), sealed)
            decrypted(content, sealed.format, data_key, verify_mac=True)
            good += 1
        except SopsError as error:
            flaws.append(_tampered(sealed, error))
    return Verified(tuple(flaws), good, unknown)


def verifiable(content: bytes, sealed: Sealed) -> bytes:
    """Those documents of a file that were encrypted together with its first."""
    if sealed.format is not Format.YAML or sealed.metadata is None:
        return content
    return documents_under(content, sealed.metadata.mac) or content


def _tampered(sealed: Sealed, error: SopsError) -> Flaw:
    what = f"it is not what was encrypted: {error.problem}"
    if error.path:
        what = f"{error.path}: {what}"
    fix = "take the last good version (`git log -- FILE`); who edits it by hand must use `sops`"
    return Flaw(Severity.ERROR, "tampered", sealed.file, error.line or sealed.line, what, fix)


def ending(ends: Mapping[str, float], files: Sequence[Sealed], now: float) -> Iterator[Flaw]:
    """OpenPGP keys that have ended, or will soon.

    ends: {fingerprint: seconds since 1970}, for a key's subkeys too.
    now: seconds since 1970.
    """
    for name, end in sorted(ends.items()):
        left = end - now
        used = [each for each in files if name in {key.name for key in each.recipients}]
        if left >= SOON or not used:
            continue
        day = datetime.fromtimestamp(end, UTC).strftime("%Y-%m-%d")
        count = f"{len(used)} file" + ("s" if len(used) > 1 else "")
        if left <= 0:
            severity, what = Severity.ERROR, f"OpenPGP key {name} ended on {day}: gpg and sops "
            what += f"encrypt nothing for it any more ({count})"
        else:
            severity, what = Severity.WARNING, f"OpenPGP key {name} ends on {day} ({count})"
        fix = f"extend it (gpg --quick-set-expire {name} 1y), or move to another key: "
        fix += f"`lockstep secrets rotate --add NEW --remove {name}`"
        yield Flaw(severity, "key-ends", used[0].file, used[0].line, what, fix)
