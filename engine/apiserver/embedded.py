"""The API server without HTTP: its state, its operations and what it does by itself."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random, SystemRandom
from typing import Any

from engine.apiserver.controllers.controllers import Controller, Controllers
from engine.apiserver.controllers.definitions import DefinitionController
from engine.apiserver.controllers.garbage import GarbageController
from engine.apiserver.controllers.namespaces import NamespaceController
from engine.apiserver.controllers.workloads import WorkloadController
from engine.apiserver.http.api import Api
from engine.apiserver.operations.deleting import Deleting
from engine.apiserver.operations.namespaces import FIRST
from engine.apiserver.operations.options import WriteOptions
from engine.apiserver.operations.preconditions import Target
from engine.apiserver.operations.tokens import Tokens
from engine.apiserver.operations.writing import Writing
from engine.apiserver.ownership.ownership import Ownership
from engine.apiserver.state import State
from engine.apiserver.storage.store import Journal, Store


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What makes a run differ from another: give both for the same uids, names and times.

    clock: seconds since the epoch.   window: changes of each resource that a watch can go back.
    """

    clock: Callable[[], float] = time.time  # noqa: TID251 - here wall time comes in
    random: Random = field(default_factory=SystemRandom)
    window: int = 5000


@dataclass(slots=True)
class Embedded:
    """One server's parts.  Nothing runs by itself: call `controllers.settle` after writes."""

    state: State
    api: Api
    controllers: Controllers
    definitions: DefinitionController


def embed(
    surroundings: Surroundings | None = None,
    *,
    journal: Journal | None = None,
    workloads: bool = False,
) -> Embedded:
    """A server with what the journal holds, and the objects that every cluster has.

    workloads: Deployments and the like become ready on paper.
    """
    around = surroundings or Surroundings()
    store = Store(around.window, journal)
    state = State(store, around.clock, around.random)
    writing = Writing(state, Ownership(state.schemas))
    deleting = Deleting(state)
    definitions = DefinitionController(state, writing, deleting, lambda _: None)
    definitions.load()
    followers: list[Controller] = [
        definitions,
        NamespaceController(state, writing, deleting),
        GarbageController(state, deleting),
    ]
    if workloads:
        followers.append(WorkloadController(state))
    controllers = Controllers(store, followers)
    embedded = Embedded(
        state, Api(state, writing, deleting, Tokens(state)), controllers, definitions
    )
    _furnish(embedded, writing)
    return embedded


def _furnish(embedded: Embedded, writing: Writing) -> None:
    namespaces = embedded.state.resource("namespaces")
    for name in FIRST:
        _ensure(writing, Target(namespaces, "", name), {"metadata": {"name": name}})
    service = {
        "metadata": {
            "name": "kubernetes",
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {"clusterIP": "10.96.0.1", "ports": [{"name": "https", "port": 443}]},
    }
    target = Target(embedded.state.resource("services"), "default", "kubernetes")
    _ensure(writing, target, service)
    embedded.controllers.settle()


def _ensure(writing: Writing, target: Target, body: Any) -> None:
    if writing.state.store.get(target.key) is None:
        writing.create(target, body, WriteOptions(manager="kube-apiserver"))
