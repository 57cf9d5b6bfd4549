"""`lockstep create source oci`: an artifact in a registry, and which of its versions.

Source: flux2 cmd/flux/create_source_oci.go.
"""

from typing import Any
from urllib.parse import urlsplit

import click

from engine.cli.applying import Making, finish_source, with_fetching, with_making
from engine.cli.go_flags import FluxCommand, listed
from engine.cli.help import examples
from engine.cli.signatures import verification, with_verification
from engine.cli.target import asynchronous

_OPERATIONS = ("extract", "copy")


@click.command(
    "oci",
    cls=FluxCommand,
    epilog=examples(
        "lockstep create source oci apps --url oci://registry.example.com/apps --tag 1.2.3",
        "lockstep create source oci apps --url oci://registry.example.com/apps "
        "--tag-semver '>=1.0.0' --secret-ref registry --interval 10m --export",
        "lockstep create source oci chart --url oci://registry.example.com/charts/web --tag 1.2.3 "
        "--layer-selector application/vnd.cncf.helm.chart.content.v1.tar+gzip:copy",
    ),
)
@click.option("--url", required=True, help="Address, as oci://registry.example.com/apps.")
@click.option("--tag", default="", help="What the tag points to.")
@click.option("--tag-semver", default="", help="The newest tag in a range of versions.")
@click.option("--digest", default="", help="That artifact: sha256:...")
@click.option("--secret-ref", default="", help="Secret of type kubernetes.io/dockerconfigjson.")
@click.option(
    "--service-account", default="", help="Service account whose image pull secrets log in."
)
@click.option("--cert-ref", default="", help="Secret with TLS certificates.")
@click.option("--proxy-secret-ref", default="", help="Secret with a proxy's address and login.")
@click.option(
    "--provider",
    type=click.Choice(["generic", "aws", "azure", "gcp"]),
    default="generic",
    show_default=True,
    help="Whose login it is.",
)
@click.option("--ignore-paths", multiple=True, help="Paths to leave out.")
@click.option("--insecure", is_flag=True, help="Plain HTTP.")
@click.option(
    "--layer-selector",
    default="",
    metavar="MEDIA-TYPE:OPERATION",
    help="Which layer to take; operation: extract or copy.",
)
@with_verification
@with_fetching
@with_making
@asynchronous
async def command(making: Making, url: str, **given: Any) -> None:
    """Make an OCIRepository."""
    if urlsplit(url).scheme != "oci":
        raise click.UsageError(f"--url '{url}' must begin with oci://")
    reference = {"digest": given["digest"], "semver": given["tag_semver"], "tag": given["tag"]}
    if not any(reference.values()):
        raise click.UsageError("--tag, --tag-semver or --digest is required")
    spec = {
        "url": url,
        "interval": making.interval_text,
        "timeout": given["fetch_timeout"],
        "ref": reference,
        "layerSelector": _layer(given["layer_selector"]),
        "provider": given["provider"],
        "secretRef": {"name": given["secret_ref"]},
        "serviceAccountName": given["service_account"],
        "certSecretRef": {"name": given["cert_ref"]},
        "proxySecretRef": {"name": given["proxy_secret_ref"]},
        "verify": verification(given),
        "insecure": given["insecure"] or None,
        "ignore": "\n".join(listed(given["ignore_paths"])),
    }
    await finish_source(making, making.obj("OCIRepository", spec))


def _layer(text: str) -> dict[str, str]:
    """Raises click.UsageError."""
    if not text:
        return {}
    media, _, operation = text.partition(":")
    if not media or operation not in _OPERATIONS:
        raise click.UsageError(
            f"--layer-selector '{text}' must be in format <media-type>:<operation>, "
            "where operation is extract or copy"
        )
    return {"mediaType": media, "operation": operation}
