"""`lockstep version`: which versions are at work."""

import platform
from importlib.metadata import version

import anyio
import click
import orjson

from engine.cli.go_flags import FluxCommand
from engine.cli.help import examples
from engine.cli.logs import DEPLOYMENTS, PART_OF_FLUX
from engine.cli.problems import is_expected, line_of, unwrapped
from engine.cli.target import Target, asynchronous, with_target, with_timeout
from engine.cluster import Client, Forbidden, NotFound


@click.command(
    "version",
    cls=FluxCommand,
    epilog=examples("lockstep version", "lockstep version --client -o json"),
)
@click.option("--client", "client_only", is_flag=True, help="Ask no cluster.")
@click.option("-o", "--output", type=click.Choice(["json", "yaml"]), help="Another form.")
@with_timeout("5s")
@with_target
@asynchronous
async def command(target: Target, client_only: bool, output: str | None, seconds: float) -> None:
    """Show the versions of Lockstep, Python and Kubernetes.

    And of what runs in the namespace as a part of Flux.  A cluster that cannot be asked is no
    error.
    """
    versions = {"lockstep": f"v{version('lockstep')}", "python": platform.python_version()}
    if not client_only:
        versions |= await _in_cluster(target, seconds)
    if output == "json":
        click.echo(orjson.dumps(versions))
        return
    for name, text in versions.items():
        click.echo(f"{name}: {text}")


async def _in_cluster(target: Target, seconds: float) -> dict[str, str]:
    """The version of the API server, or why it is not known, and those of controllers."""
    try:
        with anyio.fail_after(seconds):
            async with target.client() as client:
                server = await client.document("/version")
                found = await _controllers(client, target.namespace)
                return {"kubernetes": str(server["gitVersion"]), **found}
    except TimeoutError:
        return {"kubernetes": f"unknown (no answer within {seconds:g}s)"}
    except Exception as error:
        if not is_expected(unwrapped(error)):
            raise
        return {"kubernetes": f"unknown ({line_of(unwrapped(error))})"}


async def _controllers(client: Client, namespace: str) -> dict[str, str]:
    """{name of an image: its tag} of Deployments that are part of Flux; none if unreadable."""
    try:
        found = (await client.list(DEPLOYMENTS, namespace, label_selector=PART_OF_FLUX)).items
    except (Forbidden, NotFound):
        return {}
    containers = [each for d in found for each in d["spec"]["template"]["spec"]["containers"]]
    return dict(_name_and_tag(each["image"]) for each in containers)


def _name_and_tag(image: str) -> tuple[str, str]:
    """Of `ghcr.io/fluxcd/source-controller:v1.9.0@sha256:...`; a digest where there is no tag."""
    place, _, digest = image.partition("@")
    name, _, tag = place.rpartition("/")[2].partition(":")
    return name, tag or digest or "latest"
