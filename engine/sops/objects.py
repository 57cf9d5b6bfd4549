"""An object that a build made of an encrypted manifest, decrypted after the build as Flux does.

The MAC of its file cannot be verified here: the build may have sorted its keys, added labels or
changed names, and the MAC covers all that.  So it is verified where the file is read
(`decrypted(..., verify_mac=True)`, whose text is dropped); what is checked here is that each value
was encrypted with this data key for the very path at which it stands.
Source: fluxcd/kustomize-controller `internal/decryptor` (DecryptResource).
"""

from collections.abc import Mapping
from typing import Any

from engine.objects.ref import Object
from engine.sops.crypt import opened
from engine.sops.error import SopsError
from engine.sops.json_text import as_value, node_of
from engine.sops.metadata import SOPS, Metadata
from engine.sops.metadata_read import metadata_from
from engine.sops.tree import Branch


def is_encrypted(obj: Object) -> bool:
    """Whether the object has a `sops` part with a MAC: what Flux decrypts after a build."""
    part = obj.get(SOPS)
    return isinstance(part, Mapping) and bool(part.get("mac"))


def metadata_of_object(obj: Object) -> Metadata:
    """What the object says of its encryption.  Raises SopsError."""
    if not is_encrypted(obj):
        raise SopsError("it is not encrypted: it has no `sops` part with a mac")
    return metadata_from(node_of(obj[SOPS]))


def decrypted_object(obj: Object, data_key: bytes) -> dict[str, Any]:
    """A copy of the object with its values decrypted, without its `sops` part.

    Raises SopsError, naming the field, for a value that should be encrypted and is not, or that
    was encrypted for another place or with another key.
    """
    metadata = metadata_of_object(obj)
    node = node_of({key: value for key, value in obj.items() if key != SOPS})
    if isinstance(node, Branch):
        opened((node,), metadata, data_key, verify_mac=False)
    plain: dict[str, Any] = as_value(node)
    return plain
