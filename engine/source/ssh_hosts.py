"""Which keys of ssh servers a Secret's `known_hosts` trusts, and what to do about another.

Never: falls back to the machine's own known hosts, or trusts a key because it is the first one.
Source: sshd(8), SSH_KNOWN_HOSTS FILE FORMAT.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import asyncssh

from engine.source.failures import AuthenticationFailed, GitError
from engine.source.ssh_server import SSH_PORT

# Strongest first; what an entry names is asked for before the others.
_ALGORITHMS = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)
_OF_RSA = ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")  # the last with servers that know no other
_OF_AUTHORITY = tuple(f"{name}-cert-v01@openssh.com" for name in _ALGORITHMS)


@dataclass(frozen=True, slots=True)
class Trusted:
    """The keys known for one server; authorities: those that sign keys of such servers."""

    keys: Sequence[asyncssh.SSHKey]
    authorities: Sequence[asyncssh.SSHKey]
    revoked: Sequence[asyncssh.SSHKey]

    def algorithms(self, allowed: Sequence[str]) -> list[str]:
        """What to ask the server's key to be, best first; allowed: only those, if there are any.

        The types that are known come first, so that a server with several keys shows one that
        can be compared; the others let it show which it has.
        """
        known: list[str] = []
        for key in self.keys:
            name = key.get_algorithm()
            known += _OF_RSA if name == "ssh-rsa" else (name,)
        wanted = [*(_OF_AUTHORITY if self.authorities else ()), *known, *_ALGORITHMS]
        if allowed:
            wanted = [name for name in wanted if name in allowed] + list(allowed)
        return list(dict.fromkeys(wanted))


def trusted(known_hosts: bytes, host: str, port: int) -> Trusted:
    """What `known_hosts` says of a server.  Raises GitError if a line of it cannot be read."""
    if len(known_hosts) > _MOST_BYTES:
        raise _error(
            f"there are more than {_MOST_BYTES // 1024} KiB of known hosts, each of which is read "
            "for every login: keep those that are used"
        )
    entries = asyncssh.SSHKnownHosts()
    for number, line in enumerate(known_hosts.decode("utf-8", "replace").splitlines(), start=1):
        try:
            entries.load(_canonical(line))
        except Exception:  # the parser raises whatever the bytes lead to
            # Not quoted: whoever confuses keys may have put the private one there.
            raise GitError(
                f"line {number} of 'known_hosts' in the Secret named by spec.secretRef cannot be "
                "read: it must hold a host, a key type and a key, as `ssh-keyscan` prints it",
                AuthenticationFailed,
            ) from None
    everywhere = entries.match(host, "", None)
    there = entries.match(f"[{host}]:{port}", "", None)
    found = there if there[0] or there[1] else everywhere  # as ssh: no entry for the port, any port
    return Trusted(found[0], found[1], [*there[2], *everywhere[2]])


def _canonical(line: str) -> str:
    """The line as it is compared: host names in small letters, without a port that is the usual."""
    marker, pattern, rest = _LINE.match(line.strip()).groups()  # type: ignore[union-attr] # all may be empty
    if pattern.startswith("|"):
        return f"{marker}{pattern}{rest}"
    hosts = [_USUAL_PORT.sub(r"\1\2", host.lower()) for host in pattern.split(",") if host]
    return f"{marker}{','.join(hosts)}{rest}"


_MOST_BYTES = 128 * 1024  # some 1,200 hosts; reading them holds everybody up for 50 ms
_LINE = re.compile(r"((?:@\S+\s+)?)(\S*)(.*)")
_USUAL_PORT = re.compile(r"^(!?)\[(.*)\]:22$")


def distrusted(
    known: Trusted, host: str, port: int, offered: asyncssh.SSHKey | None, *, by_authority: bool
) -> GitError:
    """What to say of a server whose key is not trusted; offered: the key that it has shown.

    by_authority: it is that of the authority that signed the server's own.
    """
    where = f"'{host}:{port}'"
    if offered is None:
        return _error(
            f"the host key of {where} must not be used: it is revoked in 'known_hosts', or is a "
            "certificate that is for another host or not valid now: ask the host's operator"
        )
    shown = _shown(offered)
    name = host if port == SSH_PORT else f"[{host}]:{port}"
    line = f"{name} {offered.export_public_key().decode().strip()}"
    if by_authority:
        return _error(
            f"the host key of {where} is signed by an authority that is not known ({shown}): if "
            f"it is the right one, add the line '@cert-authority {line}'"
        )
    entries = ", ".join(_shown(key) for key in known.keys)
    if entries:
        return _error(
            f"the host key of {where} is not the one that is known: it offers {shown}, and "
            f"'known_hosts' has {entries}: somebody may be in between; compare it with what the "
            f"host's operator publishes, and only if it is right add the line '{line}'"
        )
    return _error(
        f"the host key of {where} is not known: it offers {shown}, and 'known_hosts' has no entry "
        f"for '{name}': compare it with what the host's operator publishes, then add the line "
        f"'{line}'"
    )


def _error(problem: str) -> GitError:
    return GitError(
        f"{problem} (key 'known_hosts' of the Secret named by spec.secretRef)", AuthenticationFailed
    )


def _shown(key: asyncssh.SSHKey) -> str:
    return f"{key.get_algorithm()} {key.get_fingerprint()}"
