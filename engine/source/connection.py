"""Why a server gave no answer, in plain words: what happened, and what to look at.

The HTTP library's own texts name sockets and classes; here every one has its own sentence.
"""

import errno
import os
import socket
import ssl

import aiohttp
from yarl import URL

CONNECT_TIMEOUT = 30.0  # seconds

_ERRNO = {
    errno.ECONNREFUSED: "connection refused: nothing listens there, or a firewall rejects it",
    errno.ECONNRESET: "the connection was cut: the server, a proxy or a firewall ended it",
    errno.EPIPE: "the connection was cut: the server, a proxy or a firewall ended it",
    errno.EHOSTUNREACH: "no route to it: check the address, network policies and egress rules",
    errno.ENETUNREACH: "no route to it: check the address, network policies and egress rules",
    errno.ETIMEDOUT: "it does not react: a firewall or network policy may drop what is sent",
}
# OpenSSL's verify codes (x509_vfy.h) that need another remedy than a CA.
_CERTIFICATE = {
    9: "it is not valid yet: check the clocks of both machines",
    10: "it has expired: the server needs a new one",
    62: "it is for another host name: use one that the certificate lists",
    64: "it is for another address: use a host name that the certificate lists",
}


def address_of(url: URL) -> str:
    """`host:port`, as one would look for it in a firewall."""
    host = url.host or ""
    return f"[{host}]:{url.port}" if ":" in host else f"{host}:{url.port}"


def explained(error: Exception, url: URL) -> str:
    """The sentence for what aiohttp or the system raised while `url` was asked for."""
    address = address_of(url)
    if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
        return f"the TLS certificate of '{address}' is not trusted: {_certificate(error)}"
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"{_status_of_proxy(error.status)}, asked for '{address}'"
    if isinstance(error, aiohttp.TooManyRedirects):
        return f"'{address}' redirects again and again"
    if isinstance(error, aiohttp.ClientConnectorError):
        return _not_connected(error, address)
    if isinstance(error, TimeoutError):
        return (
            f"cannot reach '{address}': no connection within {CONNECT_TIMEOUT:g}s: a firewall or "
            "network policy may drop what is sent, or the host is down"
        )
    return f"the connection to '{address}' broke: {_broken(error)}"


def _certificate(error: Exception) -> str:
    found = error
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        found = error.certificate_error
    if not isinstance(found, ssl.SSLCertVerificationError):
        return str(found)
    remedy = _CERTIFICATE.get(found.verify_code)
    if remedy is None:
        return f"no known authority has signed it ({found.verify_message})"
    return remedy if found.verify_code in (9, 10) else f"{remedy} ({found.verify_message})"


def _not_connected(error: aiohttp.ClientConnectorError, address: str) -> str:
    """No connection came about: `error` names the machine that was tried, perhaps a proxy."""
    tried = URL.build(scheme="http", host=error.host, port=error.port)
    where = f"cannot reach '{address}': "
    if address_of(tried) != address:
        where = f"cannot reach the proxy '{address_of(tried)}': "
    reason = error.os_error
    if isinstance(reason, socket.gaierror):
        temporary = reason.errno == socket.EAI_AGAIN
        what = "cannot be looked up now" if temporary else "does not resolve"
        return f"{where}the name '{error.host}' {what}: check its spelling, and the cluster's DNS"
    if isinstance(reason, ssl.SSLError):
        return f"{where}no TLS connection: {_tls(reason)}"
    return where + _system(reason)


def _tls(error: ssl.SSLError) -> str:
    if error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
        return "the port does not speak TLS: use http:// or the port for https"
    return (error.reason or "handshake failed").replace("_", " ").lower()


def _system(error: OSError) -> str:
    known = _ERRNO.get(error.errno or 0)
    if known is not None:
        return known
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)


def _broken(error: Exception) -> str:
    """The connection stood, but no whole answer came over it."""
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the server closed it without an answer; one that asks for a client certificate may"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "it ended before the answer was complete; the server or a proxy cut it off"
    if isinstance(error, aiohttp.ClientResponseError):
        return "what answers there does not speak HTTP: check the port and the scheme of the URL"
    if isinstance(error, ssl.SSLError):
        return _tls(error)
    if isinstance(error, OSError):
        return _system(error)
    return str(error) or type(error).__name__


def _status_of_proxy(status: int) -> str:
    if status == 407:
        return "the proxy asks for credentials (HTTP 407): check the Secret of spec.proxySecretRef"
    return f"the proxy refuses to connect (HTTP {status})"
