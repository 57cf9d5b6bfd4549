"""The records of a tar file, as POSIX (pax) has them; the same bytes on every Python.

Everything that is not content is the same for everybody: no owner, no time (flux-behaviour 3.1).
"""

from engine.source.tree import Entry, Form

BLOCK = 512
END = bytes(2 * BLOCK)
"""What the last record is followed by."""

_FOLDER_MODE, _FILE_MODE, _EXECUTABLE_MODE = 0o750, 0o600, 0o700
_FILE, _FOLDER, _EXTENDED = b"0", b"5", b"x"
_NAME = 100  # bytes of a name that fit into a header
_ZERO = b"0000000\0"
# Behind the checksum and the type: no link, the magic, no owner's or group's name, no device.
_REST = bytes(100) + b"ustar\x0000" + bytes(64) + _ZERO + _ZERO + bytes(167)


def header(path: str, entry: Entry, size: int) -> bytes:
    """What stands before the content of a file or folder; size: bytes of it, below 8 GiB."""
    name = path.encode("utf-8", "surrogateescape")
    kind, mode = _FILE, _EXECUTABLE_MODE if entry.executable else _FILE_MODE
    if entry.form is Form.FOLDER:
        name, kind, mode = name + b"/", _FOLDER, _FOLDER_MODE
    if len(name) <= _NAME and name.isascii():
        return _block(name, kind, mode, size)
    extended = _extended(b"path", name)
    short = name.decode("ascii", "replace").replace("\ufffd", "?").encode()[:_NAME]
    return b"".join(
        (
            _block(b"././@PaxHeader", _EXTENDED, 0, len(extended)),
            extended,
            padding(len(extended)),
            _block(short, kind, mode, size),
        )
    )


def padding(size: int) -> bytes:
    """What content of so many bytes is followed by."""
    return bytes(-size % BLOCK)


def _block(name: bytes, kind: bytes, mode: int, size: int) -> bytes:
    head = b"%b%07o\0%b%b%011o\0%011o\0" % (name.ljust(_NAME, b"\0"), mode, _ZERO, _ZERO, size, 0)
    checksum = sum(head) + sum(b" " * 8) + sum(kind) + sum(_REST)
    return b"%b%06o\0 %b%b" % (head, checksum, kind, _REST)


def _extended(key: bytes, value: bytes) -> bytes:
    """`<length> <key>=<value>`; the length counts its own digits as well."""
    rest = b" %b=%b\n" % (key, value)
    size = len(rest)
    while len(str(size)) + len(rest) != size:
        size = len(str(size)) + len(rest)
    return b"%d%b" % (size, rest)
