"""Why a server gave no answer, in plain words: what happened, and what to look at.

The HTTP library's own texts name sockets and classes; here every one has its own sentence.
"""

import errno
import os
import socket
import ssl

import aiohttp
import aiohttp_socks
import python_socks
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


# RFC 1928, 6: what a SOCKS proxy answers to a request to connect.
_SOCKS_REPLY = {
    2: "it does not allow this connection: check its rules",
    3: "it has no route there",
    4: "it cannot reach the host, or not look its name up: check the spelling",
    5: "connection refused there: nothing listens, or a firewall rejects it",
    6: "it got no answer from there in time",
}
SOCKS_ERRORS = (
    python_socks.ProxyError,
    aiohttp_socks.ProxyError,
    aiohttp_socks.ProxyConnectionError,
    aiohttp_socks.ProxyTimeoutError,
)


def address_of(url: URL) -> str:
    """`host:port`, as one would look for it in a firewall."""
    host, port = url.host or "", url.port or (22 if url.scheme == "ssh" else None)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def explained(error: Exception, url: URL) -> str:
    """The sentence for what aiohttp or the system raised while `url` was asked for."""
    address = address_of(url)
    if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
        return f"the TLS certificate of '{address}' is not trusted: {_certificate(error)}"
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return _refused_by_http(error.status, address)
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


def not_through(error: Exception, proxy: URL, target: URL) -> str:
    """The sentence for a connection to `target` that a proxy was to make, and that is none."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return _refused_by_http(error.status, address_of(target), address_of(proxy))
    where = f"cannot reach '{address_of(target)}' through the proxy '{address_of(proxy)}': "
    while isinstance(error, (*SOCKS_ERRORS, OSError)) and isinstance(error.__cause__, OSError):
        error = error.__cause__  # they wrap what the system said
    if isinstance(error, python_socks.ProxyError | aiohttp_socks.ProxyError):
        if proxy.scheme in ("http", "https") and error.error_code:
            return _refused_by_http(error.error_code, address_of(target), address_of(proxy))
        return where + _refused_by_socks(error.error_code or 0, str(error))
    if isinstance(error, OSError):
        return f"cannot reach the proxy '{address_of(proxy)}': {_why(error, proxy.host or '')}"
    return f"{where}{error}"


def _refused_by_socks(code: int, text: str) -> str:
    if "authentication" in text:
        return "it does not accept the login: check the Secret of spec.proxySecretRef"
    return _SOCKS_REPLY.get(code, f"{text}: is it a proxy of the kind that its address says?")


def _not_connected(error: aiohttp.ClientConnectorError, address: str) -> str:
    """No connection came about: `error` names the machine that was tried, perhaps a proxy."""
    tried = URL.build(scheme="http", host=error.host, port=error.port)
    where = f"cannot reach '{address}': "
    if address_of(tried) != address:
        where = f"cannot reach the proxy '{address_of(tried)}': "
    return where + _why(error.os_error, error.host)


def not_reached(error: OSError, url: URL) -> str:
    """The sentence for a connection that did not come about."""
    return f"cannot reach '{address_of(url)}': {_why(error, url.host or '')}"


def _why(reason: OSError, host: str) -> str:
    if isinstance(reason, socket.gaierror):
        temporary = reason.errno == socket.EAI_AGAIN
        what = "cannot be looked up now" if temporary else "does not resolve"
        return f"the name '{host}' {what}: check its spelling, and the cluster's DNS"
    if isinstance(reason, ssl.SSLError):
        return f"no TLS connection: {_tls(reason)}"
    if isinstance(reason, TimeoutError) and not reason.errno:
        return _ERRNO[errno.ETIMEDOUT]
    return _system(reason)


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


def _refused_by_http(status: int, target: str, proxy: str = "") -> str:
    who = f"the proxy '{proxy}'" if proxy else "the proxy"
    if status == 407:
        return (
            f"{who} asks for credentials (HTTP 407): check the Secret of spec.proxySecretRef, "
            f"asked for '{target}'"
        )
    return f"{who} refuses to connect (HTTP {status}), asked for '{target}'"
