"""Amazon's STS, KMS and EKS: they verify signatures on their own and know who may do what.

Source: AWS General Reference (Signature Version 4), KMS and STS API references.
"""

import ast
import base64
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from aiohttp import web

from tests.support.clouds.authority import self_signed
from tests.support.clouds.kubernetes import of_cluster
from tests.support.clouds.world import Received, Refusal, World

KEY = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
ROLE = "arn:aws:iam::123456789012:role/decrypts"
REGION = "eu-west-1"


@dataclass
class Identity:
    secret: str
    session: str = ""
    role: str = ""
    expires_at: float = float("inf")


@dataclass
class Amazon:
    """One account in one region."""

    clouds: World
    identities: dict[str, Identity] = field(default_factory=dict)
    allowed: set[str] = field(default_factory=lambda: {"AKIDSTATIC", ROLE})
    """Access keys and roles that may use the key."""
    trusted: set[str] = field(default_factory=lambda: {"system:serviceaccount:apps:app"})
    throttled: int = 0
    """So many calls are refused for being too many."""

    def __post_init__(self) -> None:
        self.identities["AKIDSTATIC"] = Identity("static-secret")
        self.clouds.serve(f"kms.{REGION}.amazonaws.com", self.kms)
        self.clouds.serve(f"sts.{REGION}.amazonaws.com", self.sts)
        self.clouds.serve(f"eks.{REGION}.amazonaws.com", self.eks)

    def sealed(self, data_key: bytes, context: dict[str, str] | None = None) -> str:
        """A data key as KMS seals it, base64."""
        body = repr((KEY, context or {}, data_key.hex())).encode()
        return base64.b64encode(bytes(byte ^ 0x5A for byte in body)).decode()

    async def kms(self, request: Received) -> web.Response:
        if self.throttled:
            self.throttled -= 1
            raise Refusal(400, {"__type": "ThrottlingException", "message": "Rate exceeded"})
        who = self._signer(request, "kms")
        if self.identities[who].role not in self.allowed and who not in self.allowed:
            refused = {"__type": "AccessDeniedException", "Message": f"{who} may not"}
            raise Refusal(400, refused)
        assert request.headers["Content-Type"] == "application/x-amz-json-1.1"
        action, body = request.headers["X-Amz-Target"], request.json()
        assert body["KeyId"] == KEY
        context = body.get("EncryptionContext", {})
        if action == "TrentService.Encrypt":
            data_key = base64.b64decode(body["Plaintext"])
            sealed = self.sealed(data_key, context)
            return web.json_response({"CiphertextBlob": sealed, "KeyId": KEY})
        assert action == "TrentService.Decrypt"
        plain = bytes(b ^ 0x5A for b in base64.b64decode(body["CiphertextBlob"])).decode()
        key, bound, data = ast.literal_eval(plain)
        if (key, bound) != (KEY, context):
            raise Refusal(400, {"__type": "InvalidCiphertextException"})
        text = base64.b64encode(bytes.fromhex(data)).decode()
        return web.json_response({"Plaintext": text, "KeyId": KEY})

    async def sts(self, request: Received) -> web.Response:
        form = request.form()
        assert form["Version"] == "2011-06-15"
        assert re.fullmatch(r"[\w+=,.@-]{2,64}", form["RoleSessionName"])
        if form["Action"] == "AssumeRole":
            self._signer(request, "sts")
            return self._assumed(form["RoleArn"], "AssumeRole")
        assert form["Action"] == "AssumeRoleWithWebIdentity"
        try:
            claims = of_cluster(form["WebIdentityToken"], self.clouds.clock.wall())
        except ValueError as error:
            raise Refusal(400, _error("InvalidIdentityToken", str(error))) from None
        if claims["aud"] != ["sts.amazonaws.com"] or claims["sub"] not in self.trusted:
            text = "Not authorized to perform sts:AssumeRoleWithWebIdentity"
            raise Refusal(403, _error("AccessDenied", text))
        return self._assumed(form["RoleArn"], "AssumeRoleWithWebIdentity")

    def _assumed(self, role: str, action: str) -> web.Response:
        number, until = len(self.identities), self.clouds.clock.wall() + 3600
        identity = Identity(f"secret/+{number}=", f"session//{number}==", role, until)
        self.identities[f"ASIA{number}"] = identity
        text = datetime.fromtimestamp(until, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return web.Response(
            content_type="text/xml",
            text=f"""<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <{action}Result><Credentials>
    <SessionToken>{identity.session}</SessionToken>
    <SecretAccessKey>{identity.secret}</SecretAccessKey>
    <Expiration>{text}</Expiration>
    <AccessKeyId>ASIA{number}</AccessKeyId>
  </Credentials></{action}Result></{action}Response>""",
        )

    async def eks(self, request: Received) -> web.Response:
        self._signer(request, "eks")
        assert request.method == "GET"
        assert request.path == "/clusters/prod"
        data = base64.b64encode(self_signed("cluster")[0]).decode()
        cluster = {"endpoint": "https://eks.example.com", "certificateAuthority": {"data": data}}
        return web.json_response({"cluster": cluster})

    def holder(self, token: str) -> str:
        """The role that an EKS token proves, as EKS asks STS for it.  Raises Refusal."""
        url = _unpadded(token.removeprefix("k8s-aws-v1."))
        host, _, rest = url.removeprefix("https://").partition("/")
        assert host == f"sts.{REGION}.amazonaws.com"
        base, _, signature = rest.partition("&X-Amz-Signature=")
        query = dict(parse_qsl(base.partition("?")[2]))
        assert query["Action"] == "GetCallerIdentity"
        assert query["X-Amz-SignedHeaders"] == "host;x-k8s-aws-id"
        headers = {"host": host, "x-k8s-aws-id": "prod"}
        request = Received("GET", url, host, "/", query, headers, b"")
        access_key = query["X-Amz-Credential"].partition("/")[0]
        identity = self.identities[access_key]
        assert query.get("X-Amz-Security-Token", "") == identity.session
        proof = _Proof(access_key, ["host", "x-k8s-aws-id"], signature, query["X-Amz-Date"])
        canonical_query = base.partition("?")[2]
        assert proof.wanted(request, identity.secret, "sts", canonical_query) == signature
        return identity.role

    def _signer(self, request: Received, service: str) -> str:
        """The access key that signed a request.  Raises Refusal."""
        match = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=(\w+)/(\d{8})/([\w-]+)/(\w+)/aws4_request, "
            r"SignedHeaders=([\w;-]+), Signature=([0-9a-f]{64})",
            request.headers.get("Authorization", ""),
        )
        if match is None:
            raise Refusal(403, {"__type": "MissingAuthenticationTokenException"})
        access_key, _, region, named, names, signature = match.groups()
        assert (region, named) == (REGION, service)
        identity = self.identities.get(access_key)
        if identity is None or identity.expires_at <= self.clouds.clock.wall():
            raise Refusal(403, {"__type": "UnrecognizedClientException"})
        if request.headers.get("X-Amz-Security-Token", "") != identity.session:
            raise Refusal(403, {"__type": "UnrecognizedClientException"})
        signed = names.split(";")
        assert {"host", "x-amz-date"} <= set(signed)
        stamp = request.headers["X-Amz-Date"]
        at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
        assert abs(at - self.clouds.clock.wall()) < 300
        proof = _Proof(access_key, signed, signature, stamp)
        if proof.wanted(request, identity.secret, service) != signature:
            raise Refusal(403, {"__type": "InvalidSignatureException", "message": "no match"})
        return access_key


@dataclass
class _Proof:
    access_key: str
    names: list[str]
    signature: str
    stamp: str

    def wanted(self, request: Received, secret: str, service: str, query: str = "") -> str:
        headers = "".join(f"{n}:{' '.join(request.headers[n].split())}\n" for n in self.names)
        path = quote(unquote(request.path), safe="/-_.~")
        digest = hashlib.sha256(request.body).hexdigest()
        parts = (request.method, path, query, headers, ";".join(self.names), digest)
        day, scope = self.stamp[:8], f"{self.stamp[:8]}/{REGION}/{service}/aws4_request"
        hashed = hashlib.sha256("\n".join(parts).encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{self.stamp}\n{scope}\n{hashed}"
        key = b"AWS4" + secret.encode()
        for part in (day, REGION, service, "aws4_request", text):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        return key.hex()


def _error(code: str, message: str) -> str:
    return (
        '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender'
        f"</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    )


def _unpadded(text: str) -> str:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()


def static(**more: Any) -> dict[str, bytes]:
    """The data of a decryption Secret with the static identity."""
    fields = {"aws_access_key_id": "AKIDSTATIC", "aws_secret_access_key": "static-secret", **more}
    return {"sops.aws-kms": "".join(f"{k}: {v}\n" for k, v in fields.items()).encode()}
