"""Signs requests as Amazon wants them: Signature Version 4.

Source: AWS General Reference, "Signature Version 4 signing process".
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, urlsplit

_ALGORITHM = "AWS4-HMAC-SHA256"
_UNRESERVED = "-_.~"


@dataclass(frozen=True, slots=True)
class Credentials:
    """An identity at AWS; session: of temporary ones, else ""."""

    access_key: str
    secret_key: str = field(repr=False)
    session: str = field(default="", repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no message may show."""
        return tuple(filter(None, (self.secret_key, self.session)))


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs for one service in one region."""

    credentials: Credentials
    service: str
    region: str

    def headers(
        self, method: str, url: str, body: bytes, at: float, headers: Mapping[str, str]
    ) -> dict[str, str]:
        """The given headers with those that prove who sends the request.

        at: seconds since 1970.   url: its path and query as they go over the wire.
        """
        stamp = _stamp(at)
        sent = {**headers, "X-Amz-Date": stamp}
        if self.credentials.session:
            sent["X-Amz-Security-Token"] = self.credentials.session
        signed = {**sent, "Host": urlsplit(url).netloc}
        digest = hashlib.sha256(body).hexdigest()
        signature = self.signature(_canonical(method, url, signed, digest), stamp)
        names = ";".join(sorted(name.lower() for name in signed))
        sent["Authorization"] = (
            f"{_ALGORITHM} Credential={self.credentials.access_key}/{self._scope(stamp)}, "
            f"SignedHeaders={names}, Signature={signature}"
        )
        return sent

    def presigned(self, url: str, at: float, headers: Mapping[str, str], seconds: int) -> str:
        """The URL with a signature in its query: whoever has it may GET it for so long.

        headers: those that must be sent along, beside Host.
        """
        stamp = _stamp(at)
        signed = {**headers, "Host": urlsplit(url).netloc}
        names = ";".join(sorted(name.lower() for name in signed))
        proof = {
            "X-Amz-Algorithm": _ALGORITHM,
            "X-Amz-Credential": f"{self.credentials.access_key}/{self._scope(stamp)}",
            "X-Amz-Date": stamp,
            "X-Amz-Expires": str(seconds),
            "X-Amz-SignedHeaders": names,
        }
        if self.credentials.session:
            proof["X-Amz-Security-Token"] = self.credentials.session
        asked = parse_qsl(urlsplit(url).query, keep_blank_values=True)
        base = url.partition("?")[0]
        full = f"{base}?{_query([*asked, *proof.items()])}"
        digest = hashlib.sha256(b"").hexdigest()
        signature = self.signature(_canonical("GET", full, signed, digest), stamp)
        return f"{full}&X-Amz-Signature={signature}"

    def signature(self, canonical: str, stamp: str) -> str:
        """The signature of a canonical request, hexadecimal.

        stamp: the time as the request shows it; some services leave the Z out.
        """
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = "\n".join((_ALGORITHM, stamp, self._scope(stamp), digest))
        key = f"AWS4{self.credentials.secret_key}".encode()
        for part in (stamp[:8], self.region, self.service, "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        return hmac.digest(key, text.encode(), "sha256").hex()

    def _scope(self, stamp: str) -> str:
        return f"{stamp[:8]}/{self.region}/{self.service}/aws4_request"


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y%m%dT%H%M%SZ")


def _canonical(method: str, url: str, headers: Mapping[str, str], digest: str) -> str:
    """The request in the one form that both sides sign."""
    parts = urlsplit(url)
    lines = sorted((name.lower(), " ".join(value.split())) for name, value in headers.items())
    return "\n".join(
        (
            method,
            # Encoded once more than on the wire, as all services but S3 want it.
            quote(parts.path or "/", safe=f"/{_UNRESERVED}"),
            _query(parse_qsl(parts.query, keep_blank_values=True)),
            "".join(f"{name}:{value}\n" for name, value in lines),
            ";".join(name for name, _ in lines),
            digest,
        )
    )


def _query(pairs: Iterable[tuple[str, str]]) -> str:
    encoded = [(quote(n, safe=_UNRESERVED), quote(v, safe=_UNRESERVED)) for n, v in pairs]
    return "&".join(f"{name}={value}" for name, value in sorted(encoded))
