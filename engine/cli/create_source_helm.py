"""`lockstep create source helm`: a repository of Helm charts.

Source: flux2 cmd/flux/create_source_helm.go.
"""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from engine.cli.applying import Making, filled, finish_source, with_fetching, with_making
from engine.cli.go_flags import FluxCommand
from engine.cli.help import examples
from engine.cli.target import asynchronous

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(
    "helm",
    cls=FluxCommand,
    epilog=examples(
        "lockstep create source helm charts --url https://charts.example.com --interval 10m",
        "lockstep create source helm charts --url https://charts.example.com "
        '--username reader --password "$TOKEN"',
        "lockstep create source helm charts --url oci://registry.example.com/charts "
        "--secret-ref registry --export",
    ),
)
@click.option("--url", required=True, help="Address; of http, https or oci.")
@click.option("-u", "--username", default="", help="Login, put into a Secret.")
@click.option("-p", "--password", default="", help="Its password.")
@click.option("--cert-file", type=_FILE, help="Certificate of a client, put into a Secret.")
@click.option("--key-file", type=_FILE, help="Its key.")
@click.option("--ca-file", type=_FILE, help="Authority to trust, put into a Secret.")
@click.option("--secret-ref", default="", help="Secret with the login, if there is one.")
@click.option(
    "--oci-provider",
    type=click.Choice(["generic", "aws", "azure", "gcp"]),
    help="Whose login it is, with oci://.",
)
@click.option("--pass-credentials", is_flag=True, help="Give the login to other hosts, too.")
@with_fetching
@with_making
@asynchronous
async def command(making: Making, url: str, **given: Any) -> None:
    """Make a HelmRepository.

    A login becomes a Secret `helm-NAME`; with --export it is left out.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https", "oci"):
        raise click.UsageError(
            f"url scheme '{parts.scheme}' not supported, can be: http, https and oci"
        )
    if not parts.hostname:
        raise click.UsageError(f"--url '{url}' names no host")
    data = {} if given["secret_ref"] else _credentials(given)
    name = given["secret_ref"] or (f"helm-{making.name}" if data and not making.is_export else "")
    spec = {
        "url": url,
        "type": "oci" if parts.scheme == "oci" else "",
        "provider": given["oci_provider"] if parts.scheme == "oci" else "",
        "interval": making.interval_text,
        "timeout": given["fetch_timeout"],
        "secretRef": {"name": name},
        "passCredentials": (given["pass_credentials"] and bool(name)) or None,
    }
    await finish_source(making, making.obj("HelmRepository", spec), data)


def _credentials(given: dict[str, Any]) -> dict[str, str]:
    """The texts of the Secret, empty without any.  Raises click.UsageError."""
    for one, other in (("username", "password"), ("cert_file", "key_file")):
        if bool(given[one]) != bool(given[other]):
            have, lack = (one, other) if given[one] else (other, one)
            flags = [f"--{each.replace('_', '-')}" for each in (have, lack)]
            raise click.UsageError(f"{flags[0]} needs {flags[1]}")
    files = {"tls.crt": "cert_file", "tls.key": "key_file", "ca.crt": "ca_file"}
    texts = {key: given[option].read_text() for key, option in files.items() if given[option]}
    return filled({"username": given["username"], "password": given["password"], **texts})
