"""Files replaced as a whole, or not at all."""

import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path

from engine.custody.files import content_of


class Changed(Exception):  # noqa: N818 - says what is wrong, like a Failure
    """A file that somebody else has changed meanwhile."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The new content of a file, on disk beside it."""

    place: Path
    before: bytes = field(repr=False)
    written: Path

    def put(self) -> None:
        """Renames it to its place.  Raises Changed, OSError; then it is gone."""
        try:
            if content_of(self.place) != self.before:
                raise Changed(f"'{self.place}' was changed meanwhile: run the command again")
            os.replace(self.written, self.place)
        finally:
            self.drop()
        _sync_folder(self.place.parent)

    def drop(self) -> None:
        """Removes it, if it is still there."""
        self.written.unlink(missing_ok=True)


def drafted(place: Path, before: bytes, after: bytes) -> Draft:
    """`after` on its way to where `before` stands, with the same mode and owner.

    It was read back from the disk.  Raises Changed, OSError; then nothing is left of it.
    """
    found = os.stat(place, follow_symlinks=False)
    if not stat.S_ISREG(found.st_mode):
        raise Changed(f"'{place}' is no regular file")
    draft = Draft(place, before, place.with_name(f".{place.name}.{secrets.token_hex(8)}"))
    try:
        _write(draft.written, after, found)
        is_whole = content_of(draft.written) == after
    except BaseException:
        draft.drop()
        raise
    if not is_whole:
        draft.drop()
        raise Changed(f"'{place}': what was written reads back as something else")
    return draft


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
