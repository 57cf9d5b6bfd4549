"""The five formats of encrypted files, and how a file's is known.

Source: getsops/sops `cmd/sops/formats`, Flux's `internal/decryptor` (formatForPath and the marks).
"""

from enum import StrEnum
from typing import Final

MAX_BYTES: Final = 5 * 1024 * 1024
"""Of an encrypted file; Flux's limit."""


class Format(StrEnum):
    """How a file is written.  BINARY at rest is JSON with one value under `data`."""

    YAML = "yaml"
    JSON = "json"
    DOTENV = "dotenv"
    INI = "ini"
    BINARY = "binary"


_BY_ENDING: Final = (
    (".dockerconfigjson", Format.JSON),
    (".yaml", Format.YAML),
    (".yml", Format.YAML),
    (".json", Format.JSON),
    (".env", Format.DOTENV),
    (".ini", Format.INI),
)

_MARKS: Final = {
    Format.JSON: b'"mac": "ENC[',
    Format.BINARY: b'"mac": "ENC[',
    Format.DOTENV: b"sops_mac=ENC[",
    Format.INI: b"[sops]",
    Format.YAML: b"mac: ENC[",
}


def format_of(path: str) -> Format:
    """The format of the file, by the ending of its path; BINARY for all others."""
    return next((kind for ending, kind in _BY_ENDING if path.endswith(ending)), Format.BINARY)


def is_marked(content: bytes, format: Format) -> bool:
    """Whether the text has the mark by which Flux decides that a file is encrypted at all."""
    return _MARKS[format] in content


def marked_format(content: bytes) -> Format | None:
    """The format whose mark the text has; None: not encrypted.

    BINARY cannot be told from JSON at rest: it is JSON here, and `decrypted` is asked for the
    output format that the name of the value demands.
    """
    return next((kind for kind in Format if _MARKS[kind] in content), None)
