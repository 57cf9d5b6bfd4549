"""What a Secret lets us show to a server: read once, never printed.

Source: flux-behaviour 3.4 (keys of `secretRef`), fluxcd/pkg git.NewAuthOptions.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from engine.source.failures import AuthenticationFailed


@dataclass(frozen=True, slots=True)
class Credentials:
    """How to prove who we are; every field empty where nothing is asked for.

    ca: PEM of certificates trusted beside the system's.  certificate, key: PEM for mutual TLS.
    identity, known_hosts: for SSH, where the password is the identity's.  Hashable, and never
    shown by `repr`.
    """

    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    bearer_token: str = field(default="", repr=False)
    ca: bytes = field(default=b"", repr=False)
    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)
    identity: bytes = field(default=b"", repr=False)
    known_hosts: bytes = field(default=b"", repr=False)

    @classmethod
    def from_secret(cls, data: Mapping[str, bytes], name: str) -> Self:
        """The credentials in a Secret's decoded `data`.

        name: `namespace/name`, for messages.  Raises AuthenticationFailed, which names the keys
        that are missing and never a value.
        """
        _check_pairs(data, name)
        return cls(
            username=_text(data, "username", name),
            password=_text(data, "password", name),
            bearer_token=_text(data, "bearerToken", name).strip(),
            ca=data.get("ca.crt") or data.get("caFile") or b"",
            certificate=data.get("tls.crt") or data.get("certFile") or b"",
            key=data.get("tls.key") or data.get("keyFile") or b"",
        )

    @classmethod
    def for_ssh(cls, data: Mapping[str, bytes], name: str) -> Self:
        """The same for an ssh URL, whose user stands in the URL; password: of the key."""
        for key in ("identity", "known_hosts"):
            if not data.get(key):
                raise AuthenticationFailed(
                    "failed to configure authentication options: invalid 'ssh' auth option: "
                    f"'{key}' is required: add the key '{key}' to the Secret '{name}'"
                )
        return cls(
            password=_text(data, "password", name),
            identity=data["identity"],
            known_hosts=data["known_hosts"],
        )

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that no message may hold, longest first."""
        login = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        alone = self.password or self.username  # a token may stand where a name should
        texts = {alone, self.bearer_token, login if self.username else ""} - {""}
        return tuple(sorted(texts, key=len, reverse=True))


ANONYMOUS = Credentials()


def _check_pairs(data: Mapping[str, bytes], name: str) -> None:
    """Raises AuthenticationFailed where a key needs another that is not there."""
    for key, partner in (
        ("username", "password"),
        ("tls.crt", "tls.key"),
        ("tls.key", "tls.crt"),
    ):
        if data.get(key) and not data.get(partner):
            raise AuthenticationFailed(
                f"failed to configure authentication options: Secret {name!r} has the key "
                f"{key!r} without {partner!r}: add {partner!r}"
            )
    if data.get("password") and not data.get("username"):
        raise AuthenticationFailed(
            f"failed to configure authentication options: Secret {name!r} has the key "
            "'password' without 'username': add 'username'"
        )


def _text(data: Mapping[str, bytes], key: str, name: str) -> str:
    try:
        return data.get(key, b"").decode()
    except UnicodeDecodeError:
        raise AuthenticationFailed(
            f"failed to configure authentication options: the value of {key!r} in Secret "
            f"{name!r} is not UTF-8 text"
        ) from None
