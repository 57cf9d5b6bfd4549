"""The program that opens one PKCS#12 file.

`limited_child.py` runs it: how much work its password is to try, a file says itself, also in parts
that only the password opens.
In, on stdin, as JSON: {"file": in base64, "password": in base64}.  Out, on stdout: PEM, the key
first; with status 3, why there is none.
"""

import base64
import json
import sys

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

_REFUSED = 3


def main() -> int:
    """Opens the file on stdin; the exit status."""
    asked = json.load(sys.stdin.buffer)
    content, password = (base64.b64decode(asked[name]) for name in ("file", "password"))
    try:
        key, certificate, others = pkcs12.load_key_and_certificates(content, password or None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        what = "its password is another one" if password else "it has a password"
        sys.stdout.write(f"the PKCS#12 file cannot be read: {what}, or it is damaged")
        return _REFUSED
    if key is None or certificate is None:
        sys.stdout.write("the PKCS#12 file has no private key with its certificate")
        return _REFUSED
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem += b"".join(each.public_bytes(Encoding.PEM) for each in (certificate, *others))
    sys.stdout.buffer.write(pem)
    return 0


if __name__ == "__main__":
    sys.exit(main())
