"""What a client trusts and shows when it opens a TLS connection."""

import functools
import os
import ssl
import tempfile

from engine.source.failures import AuthenticationFailed, GitError


@functools.lru_cache(maxsize=64)  # loading the system's CAs takes some 10 ms
def tls_context(ca: bytes, certificate: bytes, key: bytes) -> ssl.SSLContext:
    """A client's TLS settings: the system's CAs and `ca`, and a certificate to show if given.

    All are PEM.  Raises GitError (AuthenticationFailed) if one of them is not.
    """
    context = ssl.create_default_context()
    try:
        if ca:
            context.load_verify_locations(cadata=ca.decode("ascii"))
        if certificate:
            _load_certificate(context, certificate, key)
    except (ssl.SSLError, ValueError) as error:
        part = "'tls.crt' and 'tls.key'" if certificate else "'ca.crt'"
        raise GitError(
            f"the TLS material of the Secret cannot be used, see {part}: {error}",
            AuthenticationFailed,
        ) from error
    return context


def _load_certificate(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Hand the pair over through a file, the only way that the ssl module knows.

    Raises ValueError if the key has a passphrase, before OpenSSL tries or asks for it: a key says
    itself how many hours that takes.
    """
    if b"ENCRYPTED" in certificate + key:
        raise ValueError("the key has a passphrase: store it without (openssl pkey)")
    handle, path = tempfile.mkstemp(prefix="tls-")  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(key + b"\n" + certificate)
        context.load_cert_chain(path, password="")  # never ask a person for one
    finally:
        os.unlink(path)
