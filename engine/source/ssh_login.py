"""Opens a connection to an ssh server: host key checked, logged in with the Secret's key.

Never: reads a file, agent, variable or configuration of the machine's ssh, tries a password, or
logs in to a server whose key is not in the Secret's `known_hosts`.
"""

import getpass
import logging
import os
from collections.abc import Sequence

import anyio
import asyncssh
from anyio import to_thread

from engine.source.connection import CONNECT_TIMEOUT, address_of, not_reached
from engine.source.failures import AuthenticationFailed, GitError, as_told
from engine.source.ssh_hosts import Trusted, distrusted, trusted
from engine.source.ssh_passphrase import check_work
from engine.source.ssh_server import Algorithms, SshServer
from engine.source.tunnel import way_to

_KEEPALIVE = 30.0  # seconds; firewalls forget idle connections after some minutes
_SECRET = "in the Secret named by spec.secretRef"  # noqa: S105 - no password

logging.getLogger("asyncssh").setLevel(logging.WARNING)  # else a line for every step of each login


async def logged_in(server: SshServer, algorithms: Algorithms) -> asyncssh.SSHClientConnection:
    """A connection to the server.  Raises GitError."""
    login = server.credentials
    for name, value in (("identity", login.identity), ("known_hosts", login.known_hosts)):
        if not value:
            raise GitError(
                f"invalid 'ssh' auth option: '{name}' is required: add the key '{name}' to the "
                "Secret named by spec.secretRef",
                AuthenticationFailed,
            )
    client = await to_thread.run_sync(_prepared, server)
    try:
        with anyio.fail_after(CONNECT_TIMEOUT):
            return await _connected(server, algorithms, client)
    except asyncssh.PermissionDenied:
        raise _refused(server, client) from None
    except asyncssh.HostKeyNotVerifiable:
        raise distrusted(
            client.known,
            server.host,
            server.port,
            client.authority or client.offered,
            by_authority=client.authority is not None,
        ) from None
    except GitError:
        raise
    except Exception as error:  # the library raises whatever the bytes of a server lead to
        raise GitError(_explained(error, server, client)) from error


def _prepared(server: SshServer) -> "_Client":
    """What the Secret says, read.  Raises GitError.

    Blocks: a passphrase is slow to try on purpose, and known hosts may be many.
    """
    login = server.credentials
    known = trusted(login.known_hosts, server.host, server.port)
    return _Client(_private_key(login.identity, login.password), known)


def _private_key(identity: bytes, passphrase: str) -> asyncssh.SSHKey:
    """Raises GitError."""
    content = identity.strip() + b"\n"
    if passphrase:
        check_work(content)
    try:
        return asyncssh.import_private_key(content, passphrase or None)
    except Exception as error:  # the parser raises whatever the bytes lead to
        raise GitError(_no_key(str(error), passphrase), AuthenticationFailed) from None


def _no_key(text: str, passphrase: str) -> str:
    if "requires bcrypt" in text:
        return "'identity' has a passphrase, and the library bcrypt, which opens it, is missing"
    if "Passphrase must be specified" in text:
        return (
            "SSH identity key is encrypted but no 'password' field was provided: add the "
            f"passphrase as key 'password' {_SECRET}"
        )
    if passphrase and ("passphrase" in text or "decrypt" in text):
        return f"the passphrase in 'password' does not open 'identity' {_SECRET}"
    return (
        f"'identity' {_SECRET} is no private key: it must be the whole file that `ssh-keygen` "
        "wrote (not the one that ends in .pub), with its first and last line"
    )


class _Client(asyncssh.SSHClient):
    """Answers the library's questions about one login, and remembers what the server showed."""

    def __init__(self, key: asyncssh.SSHKey, known: Trusted) -> None:
        self.key = key
        self._keys = [key]
        self.known = known
        self.is_connected = False
        self.offered: asyncssh.SSHKey | None = None
        self.authority: asyncssh.SSHKey | None = None
        self.banner = ""

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        """The server was reached."""
        self.is_connected = True

    def validate_host_public_key(
        self, host: str, addr: str, port: int, key: asyncssh.SSHKey
    ) -> bool:
        """Whether a key that is not known is trusted: never."""
        self.offered = key
        return False

    def validate_host_ca_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """As above, for an authority."""
        self.authority = key
        return False

    def auth_banner_received(self, msg: str, lang: str) -> None:
        """The server has something to say to who logs in."""
        self.banner = as_told(msg)

    def public_key_auth_requested(self) -> asyncssh.SSHKey | None:
        """The next key to log in with."""
        return self._keys.pop() if self._keys else None

    def trusted_keys(self, host: str, addr: str, port: int | None) -> Sequence[Sequence[object]]:
        """As the library wants it; an address says nothing: the name of the URL is compared."""
        known = self.known
        return (known.keys, known.authorities, known.revoked, (), (), (), ())


async def _connected(
    server: SshServer, algorithms: Algorithms, client: _Client
) -> asyncssh.SSHClientConnection:
    _name_the_user()
    return await asyncssh.connect(
        server.host,
        server.port,
        tunnel=way_to(server),
        config=None,
        client_factory=lambda: client,
        username=server.user,
        known_hosts=client.trusted_keys,
        server_host_key_algs=client.known.algorithms(algorithms.host_keys),
        kex_algs=list(algorithms.kex) or (),
        preferred_auth=("publickey",),
        client_keys=None,  # with this no agent is asked either; ours comes from `client`
        agent_path=None,
        agent_forwarding=False,
        x509_trusted_certs=None,
        x509_trusted_cert_paths=[],
        gss_host=None,
        proxy_command=None,
        env=None,
        send_env=None,
        keepalive_interval=_KEEPALIVE,
        login_timeout=CONNECT_TIMEOUT,
    )


def _name_the_user() -> None:
    """The library asks for the name of the process's user, which a container may not have."""
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["LOGNAME"] = "lockstep"


def _refused(server: SshServer, client: _Client) -> GitError:
    shown = f"{client.key.get_algorithm()} {client.key.get_fingerprint()}"
    said = f" (it says: {client.banner})" if client.banner else ""
    return GitError(
        f"'{address_of(server.url)}' does not let user '{server.user}' in with the key {shown}"
        f"{said}: add its public key to the repository's deploy keys, or correct 'identity' "
        f"{_SECRET}",
        AuthenticationFailed,
    )


def _explained(error: Exception, server: SshServer, client: _Client) -> str:
    """The sentence for what the library or the system raised."""
    address = address_of(server.url)
    if isinstance(error, TimeoutError) and client.is_connected:
        return (
            f"'{address}' accepts connections, but no login came about within "
            f"{CONNECT_TIMEOUT:g}s: the server is slow, overloaded or no ssh server"
        )
    if isinstance(error, OSError):
        return not_reached(error, server.url)
    return _broken_off(error, address)


def _broken_off(error: Exception, address: str) -> str:
    """The server was reached, and one of both did not like what the other said."""
    reason = as_told(error.reason if isinstance(error, asyncssh.Error) else str(error))
    if isinstance(error, asyncssh.KeyExchangeFailed):
        return (
            f"'{address}' and we have no algorithm in common ({reason}): see --ssh-kex-algos and "
            "--ssh-hostkey-algos, or the server's configuration"
        )
    if isinstance(error, ValueError) and "algorithm" in reason:
        return f"{reason}: correct --ssh-kex-algos or --ssh-hostkey-algos"
    if isinstance(error, asyncssh.ProtocolError | asyncssh.ProtocolNotSupported):
        return f"what answers at '{address}' does not speak ssh ({reason}): check the port"
    if isinstance(error, asyncssh.ConnectionLost):
        return (
            f"'{address}' closed the connection before the login: it is no ssh server, or does not "
            "let this address in"
        )
    return f"'{address}' ended the connection before the login: {reason}"
