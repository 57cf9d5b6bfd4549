"""`lockstep create source bucket`: the files in a bucket of an object store.

Source: flux2 cmd/flux/create_source_bucket.go.
"""

from typing import Any

import click

from engine.cli.applying import Making, finish_source, with_fetching, with_making
from engine.cli.go_flags import FluxCommand, listed
from engine.cli.help import examples
from engine.cli.target import asynchronous


@click.command(
    "bucket",
    cls=FluxCommand,
    epilog=examples(
        "lockstep create source bucket fleet --bucket-name fleet --endpoint minio.example.com "
        '--access-key "$KEY" --secret-key "$SECRET"',
        "lockstep create source bucket fleet --bucket-name fleet --provider aws "
        "--endpoint s3.amazonaws.com --region eu-central-1 --interval 10m --export",
    ),
)
@click.option("--bucket-name", required=True, help="Its name.")
@click.option("--endpoint", required=True, help="Host of the store, with a port if it needs one.")
@click.option(
    "--provider",
    type=click.Choice(["generic", "aws", "azure", "gcp"]),
    default="generic",
    show_default=True,
    help="Whose store, and login, it is.",
)
@click.option("--region", default="", help="Where it is.")
@click.option("--access-key", default="", help="Login, put into a Secret.")
@click.option("--secret-key", default="", help="Its secret.")
@click.option("--secret-ref", default="", help="Secret with the login, if there is one.")
@click.option("--proxy-secret-ref", default="", help="Secret with a proxy's address and login.")
@click.option("--insecure", is_flag=True, help="Plain HTTP.")
@click.option("--ignore-paths", multiple=True, help="Paths to leave out.")
@with_fetching
@with_making
@asynchronous
async def command(making: Making, **given: Any) -> None:
    """Make a Bucket.

    A login becomes a Secret `bucket-NAME`; with --export it is left out.
    """
    data = {} if given["secret_ref"] else _credentials(given)
    name = given["secret_ref"] or (f"bucket-{making.name}" if data and not making.is_export else "")
    spec = {
        "bucketName": given["bucket_name"],
        "endpoint": given["endpoint"],
        "provider": given["provider"],
        "region": given["region"],
        "interval": making.interval_text,
        "timeout": given["fetch_timeout"],
        "secretRef": {"name": name},
        "proxySecretRef": {"name": given["proxy_secret_ref"]},
        "insecure": given["insecure"] or None,
        "ignore": "\n".join(listed(given["ignore_paths"])),
    }
    await finish_source(making, making.obj("Bucket", spec), data)


def _credentials(given: dict[str, Any]) -> dict[str, str]:
    """The texts of the Secret, empty without any.  Raises click.UsageError."""
    if bool(given["access_key"]) != bool(given["secret_key"]):
        raise click.UsageError("--access-key and --secret-key go together")
    if not given["access_key"]:
        return {}
    return {"accesskey": given["access_key"], "secretkey": given["secret_key"]}
