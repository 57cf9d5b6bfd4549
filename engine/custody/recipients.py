"""Who can open a file, as people and `.sops.yaml` name them.

Source: getsops/sops: the spellings that age, pgp, kms, gcpkms, azkv and hcvault keysources take.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from engine.sops import MasterKey

_KINDS: Final = (
    ("age", re.compile(r"age1|ssh-(?:ed25519|rsa) ")),
    ("kms", re.compile(r"arn:aws")),
    ("gcp_kms", re.compile(r"projects/")),
    ("hc_vault", re.compile(r"https?://[^ ]+/v1/[^ ]+/keys/")),
    ("azure_kv", re.compile(r"https://[^ ]+/keys/")),
    ("pgp", re.compile(r"(?:0x)?(?:[0-9A-Fa-f] ?){16,}!?\Z")),
)


class UnknownRecipient(ValueError):  # noqa: N818 - says what is wrong, like a Failure
    """A text that names nobody who could decrypt."""


@dataclass(frozen=True, slots=True, order=True)
class Recipient:
    """One key, in the one spelling that all others are brought to."""

    kind: str
    """As in MasterKey."""
    name: str
    """`age1...`, `ssh-... AAAA...` without comment, a fingerprint in upper case, `<ARN>` or
    `<ARN>+<ARN of a role>`, a resource id, `<vault>/keys/<name>/<version or nothing>`, a URL."""

    def __str__(self) -> str:
        return self.name

    @classmethod
    def of_text(cls, text: str) -> Self:
        """The recipient that a person names.  Raises UnknownRecipient."""
        trimmed = text.strip()
        if trimmed.startswith("arn:") and "|" in trimmed:
            raise UnknownRecipient(
                f"'{trimmed}' has an encryption context: write it in key_groups of .sops.yaml"
            )
        for kind, pattern in _KINDS:
            if pattern.match(trimmed):
                return cls.of(kind, trimmed)
        raise UnknownRecipient(
            f"'{trimmed}' names no recipient: write age1..., 'ssh-ed25519 AAAA...', an OpenPGP "
            "fingerprint, arn:aws:kms:..., projects/.../cryptoKeys/..., "
            "https://<vault>.vault.azure.net/keys/<name>/<version> or "
            "https://<host>/v1/<engine>/keys/<name>"
        )

    @classmethod
    def of(cls, kind: str, text: str) -> Self:
        """The recipient of that kind."""
        name = text.strip()
        if kind == "age" and name.startswith("ssh-"):
            name = " ".join(name.split()[:2])
        elif kind == "pgp":
            name = name.replace(" ", "").removeprefix("0x").rstrip("!").upper()
        elif kind == "kms":
            name = name.replace(" ", "")
        elif kind == "azure_kv":
            name = _azure(name)
        elif kind == "hc_vault":
            name = name.rstrip("/")
        return cls(kind, name)

    @classmethod
    def of_key(cls, key: MasterKey) -> Self:
        """The recipient of a key in a file."""
        role = key.attributes.get("role")
        return cls.of(key.kind, f"{key.recipient}+{role}" if role else key.recipient)

    def is_same(self, other: "Recipient") -> bool:
        """Whether both name one key; one of Azure without its version is any version's."""
        if self.kind != other.kind:
            return False
        if self.kind == "azure_kv" and (self.name.endswith("/") or other.name.endswith("/")):
            return self.name.rpartition("/")[0] == other.name.rpartition("/")[0]
        return self.name == other.name

    def is_among(self, others: Iterable["Recipient"]) -> bool:
        """Whether one of them is the same."""
        return any(self.is_same(other) for other in others)


def _azure(text: str) -> str:
    """The URL of a key, with a `/` at the end if it has no version."""
    url = text.replace("//keys/", "/keys/").rstrip("/")
    return url if url.partition("/keys/")[2].count("/") else f"{url}/"
