"""Which cluster a Kustomization is for: `spec.kubeConfig` may lead back to the very same."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random

import anyio

from engine.api.kustomize import Kustomization
from engine.apply.executor import each
from engine.cli.rendering import reading
from engine.cluster import ApiError, Client, connected
from engine.cluster.connect import InvalidKubeconfig, Licence, from_tenant
from engine.errors import Failure
from engine.reconcile.clusters import Place, identity_of
from engine.reconcile.reaching import kubeconfig_in
from engine.runtime import SystemClock

_PATIENCE = 10.0  # seconds for another cluster to say which one it is
_AT_ONCE = 16  # clusters that are asked at a time
_NO_PROGRAMS = Licence()


@asynccontextmanager
async def client_of(ks: Kustomization, client: Client) -> AsyncIterator[Client]:
    """A client of the cluster that the objects of a Kustomization are in.

    client: of the cluster that has the Kustomization.   Raises InvalidKubeconfig, BuildFailed,
    ApiError.
    """
    config, namespace = ks.spec.kube_config, ks.metadata.namespace
    if config is None:
        yield client
        return
    if config.secret_ref is None:
        raise InvalidKubeconfig("the engine logs in there with an identity of its own")
    name, key = config.secret_ref.name, config.secret_ref.key
    found = await reading(client)("Secret", namespace, name)
    title = f"{namespace}/{name}"
    content = kubeconfig_in(found.values if found is not None else None, title, key)
    endpoint = from_tenant(content, title, _NO_PROGRAMS)
    async with connected(endpoint, SystemClock(), Random()) as other:  # noqa: S311 - jitter
        yield other


class Whereabouts:
    """Tells clusters apart; each kubeconfig is looked into once."""

    def __init__(self, client: Client) -> None:
        """client: of the cluster that has the Kustomizations."""
        self._client = client
        self._places: dict[str, Place | None] = {}

    async def are_apart(self, one: Kustomization, other: Kustomization) -> bool | None:
        """Whether two Kustomizations are for different clusters; None: that is not known here."""
        if is_same_place(one, other):
            return False
        places = await self._place(one), await self._place(other)
        return None if None in places else places[0] != places[1]

    async def look(self, kustomizations: Sequence[Kustomization]) -> None:
        """Finds out where they all are, several at a time; nothing if they name the same place."""
        wanted = {_key(ks): ks for ks in kustomizations}
        if len(wanted) > 1:
            await each(list(wanted.values()), self._place, _AT_ONCE)

    async def _place(self, ks: Kustomization) -> Place | None:
        key = _key(ks)
        if key not in self._places:
            self._places[key] = None
            try:
                with anyio.fail_after(_PATIENCE):
                    async with client_of(ks, self._client) as client:
                        self._places[key] = await identity_of(client)
            except (ApiError, InvalidKubeconfig, Failure, TimeoutError):
                pass
        return self._places[key]


def is_same_place(one: Kustomization, other: Kustomization) -> bool:
    """Whether two name the same cluster in the same words."""
    return _key(one) == _key(other)


def _key(ks: Kustomization) -> str:
    """What names its cluster, "" for the one that has the Kustomizations."""
    config = ks.spec.kube_config
    return repr((ks.metadata.namespace, config)) if config is not None else ""
