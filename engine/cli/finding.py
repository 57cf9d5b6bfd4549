"""Find objects by kind and name: what is missing is told with what comes near it."""

from collections.abc import Sequence
from difflib import get_close_matches

from engine.cli.kinds import Kind
from engine.cli.problems import Problem
from engine.cluster import ApiError, Client, NotFound
from engine.cluster.client import Query
from engine.objects.ref import Object


async def named(client: Client, kind: Kind, namespace: str, name: str) -> Object:
    """The object.  Raises Problem if it is not there, ApiError."""
    obj = await client.get(kind.resource, namespace, name)
    if obj is None:
        raise Problem(await _missing(client, kind, namespace, name))
    return obj


async def listed(
    client: Client, kind: Kind, namespace: str, query: Query | None = None
) -> Sequence[Object]:
    """The objects of a kind, in all namespaces if it is empty.

    Raises Problem if the kind is not served, ApiError.
    """
    try:
        return (await client.list(kind.resource, namespace, **(query or {}))).items
    except NotFound as error:
        raise Problem(not_served(kind)) from error


def not_served(kind: Kind) -> str:
    """Says that the definition of a kind is missing, and where it comes from."""
    what = f"{kind.name} is not served in {kind.api_version}"
    if kind.is_own:
        return f"{what}; `lockstep run --install-crds` installs Flux's definitions"
    return f"{what}; the Flux controller that serves it brings its definition"


async def _missing(client: Client, kind: Kind, namespace: str, name: str) -> str:
    """Flux's words, and what to do."""
    what = f"{kind.name} object '{name}' not found in \"{namespace}\" namespace"
    try:
        found = (await client.list(kind.resource, metadata_only=True)).items
    except NotFound:
        return f"{what}; {not_served(kind)}"
    except ApiError:  # who may read one object need not be allowed to list all
        return f"{what}; is it in another namespace (-n)?"
    elsewhere = [each["metadata"] for each in found if each["metadata"]["name"] == name]
    if elsewhere:
        return f'{what}; it is in "{elsewhere[0]["namespace"]}" (-n {elsewhere[0]["namespace"]})'
    here = [e["metadata"]["name"] for e in found if e["metadata"].get("namespace") == namespace]
    if near := get_close_matches(name, here, n=3, cutoff=0.5):
        return f"{what}; there is {' and '.join(repr(each) for each in near)}"
    return f"{what}; `lockstep get {kind.title} -A` lists them all"
