"""SOPS files: read, decrypt, verify and seal anew; pure, without keys of its own and without I/O.

Whoever has a file asks `metadata_of` who can open it, has a `Decryptor` of `plugins/decryptors`
open one key of enough groups, gets the data key from `combined`, and gives it to `decrypted`.
"""

from engine.sops.document import Rekey, decrypted, metadata_of, resealed
from engine.sops.error import SopsError
from engine.sops.format import MAX_BYTES, Format, format_of, is_marked, marked_format
from engine.sops.metadata import MasterKey, Metadata, Rule
from engine.sops.objects import decrypted_object, is_encrypted, metadata_of_object
from engine.sops.shamir import combined, split

__all__ = [
    "MAX_BYTES",
    "Format",
    "MasterKey",
    "Metadata",
    "Rekey",
    "Rule",
    "SopsError",
    "combined",
    "decrypted",
    "decrypted_object",
    "format_of",
    "is_encrypted",
    "is_marked",
    "marked_format",
    "metadata_of",
    "metadata_of_object",
    "resealed",
    "split",
]
