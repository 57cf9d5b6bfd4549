"""`lockstep version`: which versions are at work."""

import platform
from importlib.metadata import version

import anyio
import click
import orjson

from engine.cli.help import examples
from engine.cli.problems import is_expected, line_of, unwrapped
from engine.cli.target import Target, asynchronous, with_target

_PATIENCE = 5.0  # seconds for a cluster to answer


@click.command(
    "version",
    epilog=examples("lockstep version", "lockstep version --client -o json"),
)
@click.option("--client", "client_only", is_flag=True, help="Ask no cluster.")
@click.option("-o", "--output", type=click.Choice(["json"]), help="Another form.")
@with_target
@asynchronous
async def command(target: Target, client_only: bool, output: str | None) -> None:
    """Show the versions of Lockstep, Python and Kubernetes.

    A cluster that cannot be asked is no error.
    """
    versions = {"lockstep": f"v{version('lockstep')}", "python": platform.python_version()}
    if not client_only:
        versions["kubernetes"] = await _kubernetes(target)
    if output == "json":
        click.echo(orjson.dumps(versions))
        return
    for name, text in versions.items():
        click.echo(f"{name}: {text}")


async def _kubernetes(target: Target) -> str:
    """The version of the API server, or why it is not known."""
    try:
        with anyio.fail_after(_PATIENCE):
            async with target.client() as client:
                return str((await client.document("/version"))["gitVersion"])
    except TimeoutError:
        return f"unknown (no answer within {_PATIENCE:g}s)"
    except Exception as error:
        if not is_expected(unwrapped(error)):
            raise
        return f"unknown ({line_of(unwrapped(error))})"
