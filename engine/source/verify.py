"""Decide whether a revision is signed by somebody who is trusted, as `spec.verify` asks.

Source: flux-behaviour 3.3 and 3.4, source-controller verifySignature.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Self

from engine.errors import Failure
from engine.source.failures import (
    InvalidCommitSignature,
    InvalidGitObject,
    InvalidTagSignature,
    InvalidVerificationMode,
)
from engine.source.signed import (
    Form,
    GitObject,
    Signed,
    Unverified,
    signed_commit,
    signed_tag,
    tag_field,
)

_SSH_SUFFIX = ".sshpub"
_TAG_MODES = ("Tag", "TagAndHEAD")


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose signatures count, and on what.

    mode: HEAD, Tag or TagAndHEAD.  rings: OpenPGP keys.  keys: SSH keys as in `authorized_keys`.
    now: seconds since 1970; what has expired by then proves nothing.
    """

    mode: str
    rings: tuple[bytes, ...] = field(repr=False)
    keys: tuple[bytes, ...] = field(repr=False)
    now: float

    @classmethod
    def of(cls, mode: str, data: Mapping[str, bytes], now: float) -> Self:
        """What a Secret trusts: SSH keys end in `.sshpub`, whatever else there is is OpenPGP."""
        names = sorted(data)
        return cls(
            mode="HEAD" if mode == "head" else mode,
            rings=tuple(data[name] for name in names if not name.endswith(_SSH_SUFFIX)),
            keys=tuple(data[name] for name in names if name.endswith(_SSH_SUFFIX)),
            now=now,
        )

    def check(self, commit: GitObject, tag: GitObject | None) -> str:
        """What was verified, in Flux's words.

        tag: that led to the commit, without `raw` if it is no object of its own; None if it was no
        tag.  Raises InvalidVerificationMode, InvalidGitObject, InvalidTagSignature or
        InvalidCommitSignature.
        """
        lines = []
        if self.mode in _TAG_MODES:
            lines.append(f"tag '{tag}' with key '{self._key_of_tag(tag)}'")
        if self.mode != "Tag":
            lines.append(f"commit '{commit.id}' with key '{self._key_of_commit(commit)}'")
        return "verified signature of" + "".join(f"\n\t- {line}" for line in lines)

    def _key_of_tag(self, tag: GitObject | None) -> str:
        if tag is None:
            raise InvalidVerificationMode(
                "cannot verify tag object's signature if a tag reference is not specified"
            )
        signed = signed_tag(tag) if tag.raw else Signed(b"", b"")
        if signed.form is Form.EMPTY:
            raise InvalidGitObject(f"cannot verify signature of tag '{tag}' since it is not signed")
        failed = f"signature verification of tag '{tag}' failed"
        key = self._key(lambda: signed, "tag", failed, InvalidTagSignature)
        own = tag_field(tag, "tag")
        if own != tag.name:  # else an old version could be passed off as a new one
            raise InvalidTagSignature(
                f"{failed}: what was signed is the tag '{own}': sign a tag of this name"
            )
        return key

    def _key_of_commit(self, commit: GitObject) -> str:
        failed = f"signature verification of commit '{commit.id}' failed"
        return self._key(lambda: signed_commit(commit), "commit", failed, InvalidCommitSignature)

    def _key(
        self, cut: Callable[[], Signed], what: str, failed: str, failure: type[Failure]
    ) -> str:
        try:
            return self._signer(cut(), what)
        except Unverified as error:
            raise failure(f"{failed}: {error}") from error

    def _signer(self, signed: Signed, what: str) -> str:
        """The key that signed; what: for messages.  Raises Unverified."""
        if signed.form is Form.OPENPGP:
            if not self.rings:
                raise Unverified(
                    "PGP signature detected but no PGP public keys found in secret "
                    "(keys with .asc suffix)"
                )
            # Loaded here: libraries of 10 MB that most repositories need not.
            from engine.source.signature_openpgp import verified_openpgp

            return _named(what, lambda: verified_openpgp(signed, self.rings, self.now))
        if signed.form is Form.SSH:
            if not self.keys:
                raise Unverified(
                    "SSH signature detected but no SSH public keys found in secret "
                    "(keys with .sshpub suffix)"
                )
            from engine.source.signature_ssh import verified_ssh

            return _named(f"{what} SSH signature", lambda: verified_ssh(signed, self.keys))
        raise Unverified(f"unsupported signature type: {signed.form}")


def _named(what: str, verify: Callable[[], str]) -> str:
    try:
        return verify()
    except Unverified as error:
        raise Unverified(f"unable to verify Git {what}: {error}") from error
