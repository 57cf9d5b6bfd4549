"""Files replaced as a whole, or not at all."""

import os
import secrets
import stat
from pathlib import Path

from engine.custody.files import content_of


class Changed(Exception):  # noqa: N818 - says what is wrong, like a Failure
    """A file that somebody else has changed meanwhile."""


def replace_file(place: Path, before: bytes, after: bytes) -> None:
    """Puts `after` where `before` stands, with the same mode and owner.

    Written beside it, read back, and renamed once it is on disk.  Raises Changed, OSError.
    """
    draft = place.with_name(f".{place.name}.{secrets.token_hex(8)}")
    found = os.stat(place, follow_symlinks=False)
    if not stat.S_ISREG(found.st_mode):
        raise Changed(f"'{place}' is no regular file")
    try:
        _write(draft, after, found)
        if content_of(draft) != after:
            raise Changed(f"'{place}': what was written reads back as something else")
        if content_of(place) != before:
            raise Changed(f"'{place}' was changed meanwhile: run the command again")
        os.replace(draft, place)
    finally:
        draft.unlink(missing_ok=True)
    _sync_folder(place.parent)


def _write(draft: Path, content: bytes, like: os.stat_result) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(draft, flags, 0o600), "wb") as file:
        file.write(content)
        if (like.st_uid, like.st_gid) != (os.geteuid(), os.getegid()):
            os.fchown(file.fileno(), like.st_uid, like.st_gid)
        os.fchmod(file.fileno(), stat.S_IMODE(like.st_mode))
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)
