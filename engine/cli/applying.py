"""What all of `create` share: labels, and whether the object is printed, or applied and waited for.

Source: flux2 cmd/flux/create.go.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from types import MappingProxyType
from typing import Any

import click

from engine.api.duration import format_duration
from engine.cli import steps
from engine.cli.columns import revision_of, static_message
from engine.cli.export import echo
from engine.cli.flags import DURATION
from engine.cli.go_flags import listed
from engine.cli.kinds import KINDS
from engine.cli.reconcile import MANAGER
from engine.cli.target import Target, with_target, with_timeout, within
from engine.cli.waiting import Awaited, wait_reconciled
from engine.cluster import Client, Resource
from engine.objects.ref import Object

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_KEY = re.compile(
    r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)
_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_SECRETS = Resource("", "v1", "Secret", "secrets", namespaced=True)
_NO_LOGIN: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Making:
    """What is made, and where to: the output or a cluster."""

    target: Target
    name: str
    interval: float
    labels: Mapping[str, str]
    is_export: bool
    seconds: float

    @property
    def interval_text(self) -> str:
        """As Go writes it."""
        return format_duration(self.interval)

    def obj(self, kind: str, spec: Mapping[str, Any]) -> dict[str, Any]:
        """An object of a kind of Flux; what is empty in the spec is left out."""
        return {
            "apiVersion": KINDS[kind].api_version,
            "kind": kind,
            "metadata": self._metadata(),
            "spec": filled(spec),
        }

    def secret(self, data: Mapping[str, str], annotations: Mapping[str, str]) -> dict[str, Any]:
        """A Secret with these texts."""
        metadata = self._metadata() | ({"annotations": annotations} if annotations else {})
        return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data}

    def _metadata(self) -> dict[str, Any]:
        labels = {"labels": dict(self.labels)} if self.labels else {}
        return {"name": self.name, "namespace": self.target.namespace, **labels}


def with_making(function: Callable[..., Any]) -> Callable[..., Any]:
    """The command function with NAME and the options of all of `create`, given a Making first."""

    @wraps(function)
    def called(
        target: Target,
        name: str,
        interval: float,
        export: bool,
        label: tuple[str, ...],
        seconds: float,
        **others: Any,
    ) -> Any:
        _check_name(name)
        return function(Making(target, name, interval, _labels(label), export, seconds), **others)

    command = with_target(with_timeout("5m")(called))
    for option in (
        click.option("--label", multiple=True, metavar="KEY=VALUE", help="Label of the object."),
        click.option("--export", is_flag=True, help="Print it as YAML, and ask no cluster."),
        click.option(
            "--interval", type=DURATION, default="1m", show_default=True, help="Between two looks."
        ),
        click.argument("name"),
    ):
        command = option(command)
    return command


def with_fetching(function: Callable[..., Any]) -> Callable[..., Any]:
    """The command function with `--fetch-timeout`, as Go writes it; "" if it is not given."""

    @wraps(function)
    def called(*arguments: Any, fetch_timeout: float | None, **others: Any) -> Any:
        text = format_duration(fetch_timeout) if fetch_timeout else ""
        return function(*arguments, fetch_timeout=text, **others)

    return click.option(
        "--fetch-timeout", type=DURATION, default=None, help="Longest time of a fetch."
    )(called)


def filled(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping without what is empty or None, at any depth."""
    made = {key: filled(v) if isinstance(v, Mapping) else v for key, v in spec.items()}
    return {key: value for key, value in made.items() if value not in (None, "", {}, [], ())}


async def finish(making: Making, obj: Object) -> Object | None:
    """Prints the object; or applies it, waits until it is ready and gives it back.

    Raises Problem, ApiError.
    """
    if making.is_export:
        echo(obj)
        return None
    kind = KINDS[obj["kind"]]
    steps.making(f"generating {kind.name}")
    async with making.target.client() as client:
        steps.doing(f"applying {kind.name}")
        written, verb = await upserted(client, kind.resource, obj, "spec")
        steps.done(f"{kind.name} {verb}", on_the_way=True)
        if static_message(obj):
            steps.done(f"{kind.name} {making.name} is ready")
            return written
        steps.waiting(f"waiting for {kind.name} reconciliation")
        ready = await wait_reconciled(client, Awaited(kind, written), making.seconds)
    steps.done(f"{kind.name} {making.name} is ready")
    return ready


async def finish_source(making: Making, obj: Object, login: Mapping[str, str] = _NO_LOGIN) -> None:
    """As `finish`; then says which revision was fetched.

    login: texts of the Secret that the source names, which is written before it.
    Raises Problem, ApiError.
    """
    if login and making.is_export:
        steps.warning("the login is left out: put it into a Secret, and name that by --secret-ref")
    elif login:
        secret = making.secret(login, {})
        secret["metadata"]["name"] = obj["spec"]["secretRef"]["name"]
        steps.doing(f"applying Secret {secret['metadata']['name']} with the login")
        with within(making.seconds):
            async with making.target.client() as client:
                await upserted(client, _SECRETS, secret, "stringData")
    if ready := await finish(making, obj):
        if static_message(obj):
            return  # it has no artifact
        steps.done(f"fetched revision: {revision_of(ready)}")


async def finish_secret(making: Making, secret: Object, title: str) -> None:
    """Prints the Secret, or writes it.  Raises ApiError."""
    if making.is_export:
        echo(secret)
        return
    with within(making.seconds):
        async with making.target.client() as client:
            await upserted(client, _SECRETS, secret, "stringData")
    place = f"'{making.target.namespace}' namespace"
    steps.done(f"{title} secret '{making.name}' created in {place}")


async def upserted(
    client: Client, resource: Resource, obj: Object, field: str
) -> tuple[Object, str]:
    """The object as it was created, or with `field`, labels and annotations replaced; and which.

    Labels and annotations that others gave stay.
    """
    metadata = obj["metadata"]
    name, namespace = metadata["name"], metadata["namespace"]
    old = await client.get(resource, namespace, name)
    if old is None:
        return await client.create(resource, obj, field_manager=MANAGER), "created"
    operations: list[Object] = [
        {"op": "test", "path": "/metadata/uid", "value": old["metadata"]["uid"]},
        {"op": "add", "path": f"/{field}", "value": obj[field]},
    ]
    for where in ("labels", "annotations"):
        if new := metadata.get(where):
            value = {**(old["metadata"].get(where) or {}), **new}
            operations.append({"op": "add", "path": f"/metadata/{where}", "value": value})
    written = await client.json_patch(resource, namespace, name, operations, field_manager=MANAGER)
    return written, "updated"


def reference(text: str, option: str) -> dict[str, str]:
    """kind, name and namespace of `Kind/name.namespace`.  Raises click.UsageError."""
    kind, slash, rest = text.partition("/")
    if not (kind and slash and rest):
        raise click.UsageError(f"{option} '{text}' must be in format <kind>/<name>")
    name, dot, namespace = rest.rpartition(".")
    found = {"kind": kind, "name": name if dot else rest}
    return {**found, "namespace": namespace} if dot else found


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise click.UsageError(
            f"name '{name}' is invalid, it should adhere to standard defined in RFC 1123, "
            "the name can only contain alphanumeric characters or '-'"
        )


def _labels(given: Sequence[str]) -> dict[str, str]:
    """Raises click.UsageError."""
    labels = {}
    for text in listed(tuple(given)):
        key, equals, value = text.partition("=")
        if not equals or "=" in value:
            raise click.UsageError(f"invalid label format '{text}', must be key=value")
        if not _KEY.fullmatch(key) or not _VALUE.fullmatch(value):
            raise click.UsageError(f"invalid label '{text}': Kubernetes takes no such key or value")
        labels[key] = value
    return labels
