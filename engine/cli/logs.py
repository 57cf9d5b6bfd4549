"""`lockstep logs`: what the engine, or Flux's controllers, wrote about objects.

Source: flux-behaviour 9.4 and 11; flux2 cmd/flux/logs.go.  Unlike it, the lines of all Pods are
put in the order of time, and Pods that only wait for a Lease do not hide the one that works.
"""

import math
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

import anyio
import click

from engine.cli import steps
from engine.cli.flags import DURATION
from engine.cli.go_flags import FluxCommand
from engine.cli.help import examples
from engine.cli.log_lines import Filter, Line, lines_of
from engine.cli.problems import Problem
from engine.cli.target import Target, asynchronous, with_target, with_timeout, within
from engine.cluster import ApiError, Client, Resource
from engine.cluster.resource import PODS
from engine.objects.ref import Object
from engine.plan.suspension import instant

DEPLOYMENTS = Resource("apps", "v1", "Deployment", "deployments", namespaced=True)
PART_OF_FLUX = "app.kubernetes.io/part-of=flux"
_CONTAINER = "manager"


@click.command(
    "logs",
    cls=FluxCommand,
    epilog=examples(
        "lockstep logs -A",
        "lockstep logs --kind Kustomization --name apps",
        "lockstep logs -A --level error --since 10m",
        "lockstep logs -A --follow --tail 20",
    ),
)
@click.option("--level", type=click.Choice(["trace", "debug", "info", "error"]), help="Only these.")
@click.option("--kind", default="", help="Only about objects of that kind.")
@click.option("--name", default="", help="Only about objects of that name.")
@click.option("-A", "--all-namespaces", is_flag=True, help="About objects of all namespaces.")
@click.option("-f", "--follow", is_flag=True, help="Go on and show each new line.")
@click.option("--tail", type=click.IntRange(min=-1), default=-1, help="So many lines a Pod.")
@click.option("--since", type=DURATION, default=None, help="Not older than that.")
@click.option("--since-time", default="", metavar="RFC3339", help="Not older than that instant.")
@click.option(
    "--flux-namespace",
    default="flux-system",
    show_default=True,
    help="Namespace in which the engine runs.",
)
@with_timeout("5m")
@with_target
@asynchronous
async def command(
    target: Target, follow: bool, flux_namespace: str, seconds: float, **given: Any
) -> None:
    """Show what was logged about Flux's objects.

    Without -A about objects of the namespace of -n only.
    """
    namespace = "" if given["all_namespaces"] else target.namespace
    passes = Filter(given["level"] or "", given["kind"], given["name"], namespace)
    parameters = _parameters(given["tail"], given["since"], given["since_time"])
    async with target.client() as client:
        with within(seconds):
            pods = await _pods(client, flux_namespace)
            if not follow:
                await _show(client, pods, parameters, passes)
        if follow:
            await _follow(client, pods, parameters, passes)


def _parameters(tail: int, since: float | None, since_time: str) -> dict[str, str]:
    """What narrows a log at the API server.  Raises click.UsageError."""
    if since is not None and since_time:
        raise click.UsageError("at most one of --since and --since-time may be specified")
    if since_time:
        try:
            instant(since_time)
        except ValueError:
            raise click.UsageError(f"{since_time} is not a valid (RFC3339) time") from None
    given = {
        "tailLines": str(tail) if tail >= 0 else "",
        "sinceSeconds": str(max(1, math.ceil(since))) if since is not None else "",
        "sinceTime": since_time,
    }
    return {key: value for key, value in given.items() if value}


async def _pods(client: Client, namespace: str) -> list[Object]:
    """The Pods of all Deployments that are part of Flux.  Raises Problem if there is none."""
    deployments = await client.list(DEPLOYMENTS, namespace, label_selector=PART_OF_FLUX)
    found: dict[str, Object] = {}
    for each in deployments.items:
        labels = each["spec"]["template"]["metadata"].get("labels") or {}
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
        for pod in (await client.list(PODS, namespace, label_selector=selector)).items:
            found[pod["metadata"]["name"]] = pod
    if not found:
        raise Problem(
            f'no Flux pods found in namespace "{namespace}": none of a Deployment with the label '
            f"{PART_OF_FLUX}; --flux-namespace names another; an engine that runs "
            "outside of the cluster logs where it was started"
        )
    return list(found.values())


async def _show(
    client: Client, pods: Iterable[Object], parameters: Mapping[str, str], passes: Filter
) -> None:
    """Prints the lines of all Pods by time.  Raises Problem if some could not be read."""
    found: list[Line] = []
    failed = []
    for pod in pods:
        try:
            found += [line async for line in _lines(client, pod, parameters) if passes(line)]
        except ApiError as error:
            failed.append(pod["metadata"]["name"])
            steps.warning(f"failed getting logs of {failed[-1]}: {error}")
    for line in sorted(found, key=lambda line: line.at):
        click.echo(line.text)
    if failed:
        raise Problem(f"failed to collect logs from all Flux pods: {', '.join(failed)}")


async def _follow(
    client: Client, pods: Iterable[Object], parameters: Mapping[str, str], passes: Filter
) -> None:
    """Prints each line as it comes, until all Pods have ended."""

    async def one(pod: Object) -> None:
        try:
            async for line in _lines(client, pod, {**parameters, "follow": "true"}):
                if passes(line):
                    click.echo(line.text)
        except ApiError as error:
            steps.warning(f"the log of {pod['metadata']['name']} ends: {error}")

    async with anyio.create_task_group() as tasks:
        for pod in pods:
            tasks.start_soon(one, pod)


async def _lines(client: Client, pod: Object, parameters: Mapping[str, str]) -> AsyncIterator[Line]:
    metadata = pod["metadata"]
    containers = (pod.get("spec") or {}).get("containers") or ()
    container = {"container": _CONTAINER} if len(containers) > 1 else {}
    where = (metadata["namespace"], metadata["name"])
    async with client.log(*where, {**parameters, **container}) as stream:
        async for line in lines_of(stream.chunk):
            yield line
