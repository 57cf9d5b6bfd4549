"""Files encrypted for tests as sops writes them, by code of its own: the engine's is not used.

Source: getsops/sops README ("Encryption Protocol", "Message Authentication Code").
"""

import base64
import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyrage
import yaml
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pyrage.x25519 import Identity

MODIFIED = "2026-11-23T06:00:00Z"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an age key."""

    identity: Identity = field(default_factory=Identity.generate)

    @property
    def secret(self) -> str:
        """`AGE-SECRET-KEY-1...`"""
        return str(self.identity)

    @property
    def recipient(self) -> str:
        """`age1...`"""
        return str(self.identity.to_public())

    @property
    def key_file(self) -> bytes:
        """As age-keygen writes it."""
        text = f"# created: {MODIFIED}\n# public key: {self.recipient}\n{self.secret}\n"
        return text.encode()


@dataclass(frozen=True, slots=True)
class Seal:
    """Encrypts for some people; regex: which keys' values, "" for all.

    arns: keys of a key service that can decrypt as well.
    """

    people: Sequence[Person]
    regex: str = ""
    arns: Sequence[str] = ()
    data_key: bytes = field(default_factory=lambda: os.urandom(32))

    def yaml(self, *documents: Mapping[str, Any]) -> bytes:
        """A YAML file of documents that are encrypted together."""
        sealed = [self._tree(document, ()) for document in documents]
        digest = hashlib.sha512(b"".join(map(_bytes_of, documents)))
        sops = self._metadata(digest.hexdigest().upper())
        texts = (yaml.safe_dump({**each, "sops": sops}, sort_keys=False) for each in sealed)
        return "---\n".join(texts).encode()

    def json(self, document: Mapping[str, Any]) -> bytes:
        """A JSON file."""
        digest = hashlib.sha512(_bytes_of(document)).hexdigest().upper()
        sealed = {**self._tree(document, ()), "sops": self._metadata(digest)}
        return json.dumps(sealed, indent="\t").encode()

    def binary(self, content: str) -> bytes:
        """Any text."""
        return self.json({"data": content})

    def dotenv(self, **variables: str) -> bytes:
        """Lines of `NAME=value`."""
        digest = hashlib.sha512("".join(variables.values()).encode()).hexdigest().upper()
        lines = [f"{name}={self._value(value, (name,))}" for name, value in variables.items()]
        metadata = self._metadata(digest)
        for number, entry in enumerate(metadata.pop("age")):
            armor = entry["enc"].replace("\n", "\\n")
            lines.append(f"sops_age__list_{number}__map_enc={armor}")
            lines.append(f"sops_age__list_{number}__map_recipient={entry['recipient']}")
        lines += [f"sops_{name}={value}" for name, value in metadata.items()]
        return ("\n".join(lines) + "\n").encode()

    def _tree(self, value: Any, path: tuple[str, ...]) -> Any:
        if isinstance(value, Mapping):
            return {key: self._tree(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self._tree(item, path) for item in value]
        is_meant = not self.regex or any(re.search(self.regex, step) for step in path)
        return self._value(value, path) if is_meant else value

    def _value(self, value: Any, path: tuple[str, ...]) -> str:
        kind = {bool: "bool", int: "int", float: "float"}.get(type(value), "str")
        return self._sealed(_text(value), ":".join(path) + ":", kind)

    def _sealed(self, text: str, bound: str, kind: str) -> str:
        nonce = os.urandom(32)
        made = AESGCM(self.data_key).encrypt(nonce, text.encode(), bound.encode())
        data, iv, tag = (
            base64.b64encode(each).decode() for each in (made[:-16], nonce, made[-16:])
        )
        return f"ENC[AES256_GCM,data:{data},iv:{iv},tag:{tag},type:{kind}]"

    def _metadata(self, digest: str) -> dict[str, Any]:
        rule = {"encrypted_regex": self.regex} if self.regex else {"unencrypted_suffix": "_plain"}
        return {
            "age": [
                {"recipient": person.recipient, "enc": self.armored(person)}
                for person in self.people
            ],
            **({"kms": [self._served(arn) for arn in self.arns]} if self.arns else {}),
            "lastmodified": MODIFIED,
            "mac": self._sealed(digest, MODIFIED, "str"),
            **rule,
            "version": "3.13.0",
        }

    @staticmethod
    def _served(arn: str) -> dict[str, str]:
        return {"arn": arn, "created_at": MODIFIED, "enc": "c2VhbGVk", "aws_profile": ""}

    def armored(self, person: Person) -> str:
        """The data key, for one of the people."""
        recipient = person.identity.to_public()
        return bytes(pyrage.encrypt(self.data_key, [recipient], armored=True)).decode()


def _bytes_of(value: Any) -> bytes:
    """What the MAC is made of: every value, in the order of the file."""
    if isinstance(value, Mapping):
        return b"".join(map(_bytes_of, value.values()))
    if isinstance(value, list):
        return b"".join(map(_bytes_of, value))
    return _text(value).encode()


def _text(value: Any) -> str:
    return str(value)
