"""What a file says about its own encryption: who can decrypt it, what is encrypted, its seal.

Source: getsops/sops v3.13 `stores/stores.go`, whose field names stand in the file.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

SOPS: Final = "sops"
"""The key under which all this stands in a file."""

RULES: Final = (
    "unencrypted_suffix",
    "encrypted_suffix",
    "unencrypted_regex",
    "encrypted_regex",
    "unencrypted_comment_regex",
    "encrypted_comment_regex",
)

KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "kms": ("arn",),
    "gcp_kms": ("resource_id",),
    "hckms": ("key_id",),
    "azure_kv": ("vault_url", "name", "version"),
    "hc_vault": ("vault_address", "engine_path", "key_name"),
    "pgp": ("fp",),
    "age": ("recipient",),
}
"""{kind of key: the fields that name its recipient}, in the order in which sops lists keys."""


@dataclass(frozen=True, slots=True)
class MasterKey:
    """The data key, or one share of it, sealed for one recipient."""

    kind: str
    """`age`, `pgp`, `kms` (AWS), `gcp_kms`, `azure_kv`, `hc_vault` or `hckms` (Huawei)."""
    recipient: str
    """`age1...` or `ssh-...`; fingerprint; ARN; resource id; `<vault_url>/keys/<name>/<version>`;
    `<vault_address>/v1/<engine_path>/keys/<key_name>`; key id."""
    encrypted: str
    """The sealed share, in the text form of its kind: armored (age, pgp), base64 (cloud KMS),
    base64url (azure_kv), `vault:v1:...` (hc_vault)."""
    attributes: Mapping[str, str] = field(default_factory=dict, hash=False)
    """The other fields of the entry, by the name they have in the file: `created_at`, `role`,
    `aws_profile`; `vault_url name version`; `vault_address engine_path key_name`."""
    context: Mapping[str, str] = field(default_factory=dict, hash=False)
    """AWS encryption context; empty for all other kinds."""

    def __str__(self) -> str:
        """The recipient as people name it; nothing secret."""
        return f"{self.kind} {self.recipient}"


@dataclass(frozen=True, slots=True)
class Rule:
    """Which values are encrypted; a file has exactly one rule."""

    kind: str
    """One of RULES."""
    pattern: str


DEFAULT_RULE: Final = Rule("unencrypted_suffix", "_unencrypted")


@dataclass(frozen=True, slots=True)
class Metadata:
    """The `sops` part of an encrypted file."""

    groups: tuple[tuple[MasterKey, ...], ...]
    """Any key of a group opens the group's share; one group: the share is the data key itself."""
    threshold: int
    """How many groups are needed, 0 = not said: all of them."""
    mac: str
    """The encrypted digest over the values."""
    modified: str
    """When the values changed, RFC 3339 as the file has it."""
    rule: Rule = DEFAULT_RULE
    mac_only_encrypted: bool = False
    """Whether values in plain text are left out of the MAC."""
    version: str = ""
    """Of the sops that wrote it."""

    @property
    def needed(self) -> int:
        """How many groups must be opened to have the data key."""
        if len(self.groups) == 1:
            return 1
        return self.threshold or len(self.groups)

    def keys(self) -> Iterator[MasterKey]:
        """Every key of every group, in the order of the file."""
        for group in self.groups:
            yield from group
