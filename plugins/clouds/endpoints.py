"""Where a cluster's token may go: to an address that its cloud says is the cluster's.

A tenant writes the address into a ConfigMap.  With its own service account it may send its own
token anywhere; the engine's own would be a master key in the hands of whoever listens there.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from engine.plugin import TokenUnavailable


def host_of(address: str) -> str:
    """`host:port` in lower case; the scheme may be missing; "" for what is no address."""
    try:
        parts = urlsplit(address if "://" in address else f"https://{address}")
        return f"{(parts.hostname or '').lower()}:{parts.port or 443}"
    except ValueError:
        return ""


def check_known(address: str, known: Iterable[str], what: str) -> None:
    """Raises TokenUnavailable unless the address is one of those that the cloud knows."""
    listed = [each for each in known if each]
    if host_of(address) not in map(host_of, listed):
        raise TokenUnavailable(
            f"address '{address}' is none of {what} ({', '.join(listed) or 'it has none'}), and "
            "the engine's own token goes nowhere else: correct it, or name a service account"
        )
