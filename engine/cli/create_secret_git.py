"""`lockstep create secret git`: the login of a repository, an ssh key made for it where needed.

Source: flux-behaviour 3.4: the keys of the Secret; flux2 cmd/flux/create_secret_git.go.
"""

from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import anyio
import click

from engine.cli import steps
from engine.cli.applying import Making, filled, finish_secret, with_making
from engine.cli.go_flags import FluxCommand
from engine.cli.help import examples
from engine.cli.problems import Problem
from engine.cli.target import asynchronous

_ALGORITHMS = ("ecdsa", "ed25519", "rsa")
_CURVES = ("p256", "p384", "p521")
_PATIENCE = 10.0  # seconds for an ssh server to show its key


@click.command(
    "git",
    cls=FluxCommand,
    epilog=examples(
        "lockstep create secret git fleet-auth --url ssh://git@git.example.com/fleet --export",
        "lockstep create secret git fleet-auth --url https://git.example.com/fleet "
        '--username git --password "$TOKEN"',
        "lockstep create secret git fleet-auth --url ssh://git@git.example.com/fleet "
        "--private-key-file ./id --known-hosts-file ~/.ssh/known_hosts",
    ),
)
@click.option("--url", required=True, help="Address, as ssh://git@host/org/repository.")
@click.option("-u", "--username", default="", help="Login over http.")
@click.option("-p", "--password", default="", help="Its password; with ssh, of the private key.")
@click.option("--bearer-token", default="", help="Token instead of a login.")
@click.option("--ca-crt-file", type=click.Path(dir_okay=False), help="Authority to trust, PEM.")
@click.option(
    "--ssh-key-algorithm",
    type=click.Choice(_ALGORITHMS),
    default="ecdsa",
    show_default=True,
    help="Of the key that is made.",
)
@click.option(
    "--ssh-rsa-bits",
    type=click.IntRange(2048, 16384),
    default=2048,
    show_default=True,
    help="How long, if it is an RSA key.",
)
@click.option(
    "--ssh-ecdsa-curve",
    type=click.Choice(_CURVES),
    default="p384",
    show_default=True,
    help="On which curve, if it is an ECDSA key.",
)
@click.option("--private-key-file", type=click.Path(dir_okay=False), help="A key that there is.")
@click.option("--known-hosts-file", type=click.Path(dir_okay=False), help="Do not ask the server.")
@with_making
@asynchronous
async def command(making: Making, url: str, **given: Any) -> None:
    """Make the Secret with which a repository is read.

    For ssh a key is made, and the server is asked for its own: compare what is shown with what
    its operator publishes.
    """
    parts = urlsplit(url)
    if parts.scheme == "ssh":
        data = await _of_ssh(parts, given)
    elif parts.scheme in ("http", "https"):
        data = _of_http(given)
    else:
        raise click.UsageError(
            f"git URL scheme '{parts.scheme}' not supported, can be: ssh, http and https"
        )
    await finish_secret(making, making.secret(data, {}), "git")


def _of_http(given: dict[str, Any]) -> dict[str, str]:
    has_login = bool(given["username"] and given["password"])
    if not has_login and not given["bearer_token"]:
        raise click.UsageError(
            "for Git over HTTP/S the username and password, or a bearer token is required"
        )
    if has_login and given["bearer_token"]:
        raise click.UsageError("user credentials and bearer token cannot be used together")
    login = {"username": given["username"], "password": given["password"]} if has_login else {}
    authority = _read(given["ca_crt_file"]) if given["ca_crt_file"] else ""
    return filled({**login, "bearerToken": given["bearer_token"], "ca.crt": authority})


async def _of_ssh(parts: SplitResult, given: dict[str, Any]) -> dict[str, str]:
    import asyncssh  # heavy, and seldom needed

    password = given["password"]
    if path := given["private_key_file"]:
        private = _read(path)
        try:
            key = asyncssh.import_private_key(private, password or None)
        except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
            raise Problem(f"{path}: not a private key that can be read: {error}") from error
    else:
        key = asyncssh.generate_private_key(*_algorithm(given), **_size(given))
        private, password = key.export_private_key().decode(), ""
    public = key.export_public_key().decode()
    known = _read(given["known_hosts_file"]) if given["known_hosts_file"] else await _asked(parts)
    steps.making(f"deploy key: {public.strip()}")
    return filled(
        {
            "identity": private,
            "identity.pub": public,
            "known_hosts": known,
            "password": password,
        }
    )


def _algorithm(given: dict[str, Any]) -> tuple[str]:
    """As asyncssh calls it."""
    match given["ssh_key_algorithm"]:
        case "ecdsa":
            return (f"ecdsa-sha2-nist{given['ssh_ecdsa_curve']}",)
        case "rsa":
            return ("ssh-rsa",)
    return ("ssh-ed25519",)


def _size(given: dict[str, Any]) -> dict[str, Any]:
    is_rsa = given["ssh_key_algorithm"] == "rsa"
    return {"key_size": given["ssh_rsa_bits"]} if is_rsa else {}


async def _asked(parts: SplitResult) -> str:
    """The line of known_hosts of a server.  Raises Problem if it does not show its key."""
    import asyncssh  # as above

    host, port = parts.hostname or "", parts.port or 22
    try:
        with anyio.fail_after(_PATIENCE):
            key = await asyncssh.get_server_host_key(host, port)
    except (OSError, asyncssh.Error, TimeoutError) as error:
        text = str(error) or f"no answer within {_PATIENCE:g}s"
        raise Problem(
            f"{host}:{port} does not show its ssh key: {text}; is the address right? "
            "--known-hosts-file needs no look"
        ) from error
    if key is None:
        raise Problem(f"{host}:{port} has no ssh key; --known-hosts-file needs no look")
    place = host if port == 22 else f"[{host}]:{port}"
    algorithm, encoded = key.export_public_key().decode().split()[:2]
    steps.done(f"collected public key from SSH server: {key.get_fingerprint()}", on_the_way=True)
    return f"{place} {algorithm} {encoded}\n"


def _read(path: str) -> str:
    return Path(path).read_text()
