"""Render one Kustomization of the cluster, or of a file, from local files."""

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from anyio import to_thread

from engine.api import KINDS, decode
from engine.api.kustomize import Kustomization
from engine.api.meta import KUSTOMIZE_GROUP
from engine.cli import steps
from engine.cli.building import Limits, completed_build, is_flux_kustomization
from engine.cli.own_keys import opening_of
from engine.cli.places import Place
from engine.cli.problems import Problem
from engine.cluster import Client
from engine.cluster.resource import resource_of
from engine.errors import BuildFailed
from engine.objects.manifests import parse
from engine.objects.ref import Object, Ref
from engine.reconcile.secrets import Config, config_in
from engine.reconcile.variables import Read, gathered
from engine.render import Decrypting, Rendered, Request, render
from engine.render.explanation import Explainer, Places, Wanted, explain, places_of
from engine.settings import Settings

KUSTOMIZATIONS = resource_of(KINDS[KUSTOMIZE_GROUP, "Kustomization"])


@dataclass(frozen=True, slots=True)
class How:
    """How to render.   key_file: of age keys, None: where `sops` looks for them."""

    strict: bool = True
    key_file: Path | None = None
    building: float = Settings().build_timeout


@dataclass(frozen=True, slots=True)
class Made:
    """What was rendered.  secrets: values that nothing that is printed may hold.

    read, how: as it was made with.
    """

    ks: Kustomization
    place: Place
    read: Read
    how: How
    request: Request
    limits: Limits
    rendered: Rendered
    secrets: tuple[str, ...] = field(default=(), repr=False)

    async def like(self, ks: Kustomization, place: Place) -> "Made":
        """Another one, made in the same way.   Raises BuildFailed, Problem."""
        return await made(ks, place, self.read, self.how)

    async def places(self, wanted: Wanted) -> Places:
        """`file:line` of fields of its objects; it is rendered again for them."""
        if not wanted:
            return {}
        work = partial(explain, self.place.tree, self.request, how=Explainer())
        explained = await to_thread.run_sync(completed_build, work, self.limits)
        return places_of(explained, wanted)


async def made(ks: Kustomization, place: Place, read: Read, how: How) -> Made:
    """The build of a Kustomization from these files.

    read: where its variables come from.   Raises BuildFailed, Problem.
    """
    secrets: list[str] = []
    variables = await gathered(ks, read, secrets)
    request = Request.of(ks, variables.values, looked_in=variables.looked_in, strict=how.strict)
    secret, seal = variables.secret, variables.seal
    request = replace(request, path=place.path, secret_variables=secret, seal=seal)
    opening = opening_of(ks, how.key_file)
    if opening is not None:
        request = replace(request, decryption=Decrypting("", verify_mac=True))
    limits = Limits(how.building, ks.timeout, opening)
    work = partial(render, place.tree, request)
    rendered = await to_thread.run_sync(completed_build, work, limits)
    secrets += rendered.opened.values
    return Made(ks, place, read, how, request, limits, rendered, tuple(secrets))


def reading(client: Client) -> Read:
    """Variables as the cluster has them."""

    async def read(kind: str, namespace: str, name: str) -> Config | None:
        resource = await client.discovery.resource("", "v1", kind)
        found = await client.get(resource, namespace, name)
        return config_in(found, kind, name) if found is not None else None

    return read


async def reading_nothing(kind: str, namespace: str, name: str) -> Config:
    """No variables, where no cluster is asked; as Flux's `--dry-run`."""
    steps.warning(f"{kind} '{namespace}/{name}' of postBuild.substituteFrom is not read")
    return Config({})


async def live_kustomization(client: Client, namespace: str, name: str) -> Object | None:
    """The Kustomization as the cluster has it."""
    return await client.get(KUSTOMIZATIONS, namespace, name)


def filed_kustomization(file: Path, namespace: str, name: str) -> dict[str, Any]:
    """The Kustomization of that name in a file, in that namespace or in none.  Raises Problem."""
    for document in parse(file.read_bytes(), str(file)):
        if not is_flux_kustomization(document.obj):
            continue
        metadata = document.obj.get("metadata") or {}
        if metadata.get("name") == name and metadata.get("namespace", namespace) == namespace:
            return {**document.obj, "metadata": {**metadata, "namespace": namespace}}
    raise Problem(f"'{file}' holds no Kustomization '{name}' of namespace '{namespace}'")


def decoded(obj: Object) -> Kustomization:
    """The Kustomization, typed.  Raises Undecodable."""
    return decode(Kustomization, obj)


def source_key(ks: Kustomization) -> str:
    """`Kind/namespace/name` of its source, as `--local-sources` names it."""
    source = ks.spec.source_ref
    return f"{source.kind}/{source.namespace or ks.metadata.namespace}/{source.name}"


def check_unencrypted(made: Made) -> None:
    """Raises BuildFailed if the engine would refuse what is still encrypted."""
    refused = [
        f"{each.ref} is SOPS encrypted, set spec.decryption ({each.origin})"
        for each in made.rendered.objects
        if each.encrypted and made.ks.spec.decryption is None and _is_secret(each.ref)
    ]
    if refused:
        raise BuildFailed("\n".join(refused))


def _is_secret(ref: Ref) -> bool:
    return (ref.group, ref.kind) == ("", "Secret")
