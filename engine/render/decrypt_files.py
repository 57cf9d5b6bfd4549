"""Files that may be encrypted: whether one is, in which format, and where it says so."""

import json

from engine.render.kustomize.errors import KustomizeError
from engine.sops import Format, Metadata, SopsError, is_marked, marked_format, metadata_of

NAME = b"sops"
"""What every encrypted file has in it, whatever its format."""


def refusal(text: str) -> str:
    """What an error says first."""
    return f"cannot be decrypted: {text}"


def recognised(content: bytes, file: str, form: Format) -> tuple[Metadata, Format] | None:
    """What an encrypted file says of itself, and its format; None: it is not encrypted.

    Raises KustomizeError if it is broken, or too large.
    """
    if NAME not in content:
        return None
    marked = marked_format(content)
    if form is Format.BINARY and marked is not None and not _is_envelope(content):
        form = marked  # its name has no ending that says so
    forms = dict.fromkeys([form, *([marked] if marked else [])])
    for each in forms:
        try:
            metadata = metadata_of(content, each)
        except SopsError as error:
            if is_marked(content, each):
                raise KustomizeError(refusal(error.located(file))) from None
            continue  # some text in which the word occurs
        if metadata is not None:
            return metadata, each
    return None


def _is_envelope(content: bytes) -> bool:
    """Whether it is how BINARY is written at rest: JSON with the text under `data`."""
    try:
        return bool(json.loads(content).keys() == {"data", "sops"})
    except (ValueError, AttributeError, RecursionError):
        return False


def place_of(content: bytes, file: str) -> str:
    """`file:line` of where a file begins to speak of its encryption."""
    place = content.rfind(b"\n" + NAME)
    if place < 0:
        place = content.rfind(NAME)
    line = content.count(b"\n", 0, place + 1) + 1
    return f"{file}:{line}"


def documents_under(content: bytes, mac: str) -> bytes:
    """Those documents of a file that have that MAC; nothing if none has."""
    parts = (b"\n" + content).split(b"\n---")
    under = [part for part in parts if mac.encode() in part]
    return content if len(under) == len(parts) else b"\n---".join(under)
