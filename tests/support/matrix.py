"""The matrix of the contract: each field of `spec` and each reason of a condition has a test.

A test in tests/cluster says by `@pytest.mark.covers(...)` what it proves: a field, as
`Kustomization.spec.images[].newTag`, one value of a field that has few, as
`Kustomization.spec.deletionPolicy=Orphan`, or a reason, as `GitRepository:URLInvalid`.  What it
says is compared with what the API server saw while it ran (`Record`), and all that is said with all
that there is (tests/e2e/test_matrix.py).
"""

import ast
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import anyio

from engine.cluster import Client
from engine.cluster.resource import Resource
from engine.cluster.watch import EventType, Watch
from engine.objects.manifests import load
from engine.objects.ref import Object
from engine.runtime import SystemClock

_ROOT = Path(__file__).parents[2]
_GROUPS = {
    "GitRepository": "source.toolkit.fluxcd.io",
    "Kustomization": "kustomize.toolkit.fluxcd.io",
    "Receiver": "notification.toolkit.fluxcd.io",
    "Alert": "notification.toolkit.fluxcd.io",
    "Provider": "notification.toolkit.fluxcd.io",
}
_VERSIONS = {"Alert": "v1beta3", "Provider": "v1beta3"}  # of others v1
_SOURCE = (
    *("Succeeded", "Progressing", "ProgressingWithRetry", "FeatureGateDisabled"),
    *("URLInvalid", "AuthenticationFailed", "GitOperationFailed", "EmptyGitRepository"),
    *("ArchiveOperationFailed", "InvalidProviderConfiguration", "NotFound", "NoArtifact"),
    *("VerificationError", "InvalidVerificationMode", "InvalidGitObject"),
    *("InvalidCommitSignature", "InvalidTagSignature", "CopyFailure"),
)
_KUSTOMIZATION = (
    *("ReconciliationSucceeded", "Progressing", "ProgressingWithRetry", "Succeeded"),
    *("ArtifactFailed", "DependencyNotReady", "BuildFailed", "ReconciliationFailed"),
    *("PruneFailed", "HealthCheckFailed", "HealthCheckCanceled", "AccessDenied"),
    *("InvalidCELExpression", "FeatureGateDisabled"),
)
_RECEIVER = ("Succeeded", "TokenNotFound", "InvalidCELExpression", "ValidationFailed")
REASONS = frozenset(
    (
        *(f"GitRepository:{each}" for each in _SOURCE),
        *(f"Kustomization:{each}" for each in _KUSTOMIZATION),
        *(f"Receiver:{each}" for each in _RECEIVER),
    )
)
"""Of flux-behaviour 3.3, 3.4, 4.3, 6.4, but for those of what this engine never does (it makes no
folder for a build, so DirectoryCreationFailed cannot happen)."""


def wanted() -> frozenset[str]:
    """All that some test must cover."""
    return REASONS.union(*(_fields_of(kind) for kind in _GROUPS))


def _fields_of(kind: str) -> Iterator[str]:
    """Every field of the kind's definition in helm/crds that holds a value."""
    (path,) = (_ROOT / "helm/crds").glob(f"{_PLURALS[kind]}.*")
    definition = load(path.read_bytes().decode())
    (version,) = definition["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    yield from _leaves(schema, f"{kind}.spec")


_PLURALS = {
    "GitRepository": "gitrepositories",
    "Kustomization": "kustomizations",
    "Receiver": "receivers",
    "Alert": "alerts",
    "Provider": "providers",
}


def _leaves(schema: Mapping[str, Any], path: str) -> Iterator[str]:
    if properties := schema.get("properties"):
        for name, below in properties.items():
            yield from _leaves(below, f"{path}.{name}")
    elif schema.get("type") == "array":
        yield from _leaves(schema["items"], f"{path}[]")
    elif values := schema.get("enum"):
        yield from (f"{path}={value}" for value in values)
    else:
        yield path


def claimed() -> dict[str, list[str]]:
    """{what is covered: the tests that say so}, read off the marks in tests/cluster."""
    found: dict[str, list[str]] = {}
    for file in sorted((_ROOT / "tests/cluster").glob("test_*.py")):
        for test in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(test, ast.FunctionDef | ast.AsyncFunctionDef):
                for name in _names_in(test.decorator_list):
                    found.setdefault(name, []).append(f"{file.name}::{test.name}")
    return found


def _names_in(decorators: Iterable[ast.expr]) -> Iterator[str]:
    """The names in marks of a test, or of one of its cases."""
    for decorator in decorators:
        for call in ast.walk(decorator):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.covers":
                yield from (str(ast.literal_eval(each)) for each in call.args)


@dataclass
class Record:
    """What the objects of a test showed while it ran."""

    shown: set[str] = field(default_factory=set)

    def note(self, obj: Object) -> None:
        """An object as the API server has it now."""
        kind = obj["kind"]
        self.shown.update(_paths(obj.get("spec") or {}, f"{kind}.spec"))
        conditions = (obj.get("status") or {}).get("conditions") or []
        self.shown.update(f"{kind}:{each['reason']}" for each in conditions)

    def missing(self, names: Iterable[str]) -> list[str]:
        """Those that were never seen."""
        return sorted(set(names) - self.shown)


def _paths(value: Any, path: str) -> Iterator[str]:
    """Every path of a value, with and without the value itself."""
    yield path
    if isinstance(value, Mapping):
        for name, below in value.items():
            yield from _paths(below, f"{path}.{name}")
    elif isinstance(value, list):
        for below in value:
            yield from _paths(below, f"{path}[]")
    elif isinstance(value, str):
        yield f"{path}={value}"


@asynccontextmanager
async def recorded(client: Client, namespace: str) -> AsyncIterator[Record]:
    """While inside, all that these kinds show in the namespace is noted."""
    record = Record()
    resources = [
        await client.discovery.resource(group, _VERSIONS.get(kind, "v1"), kind)
        for kind, group in _GROUPS.items()
    ]
    async with anyio.create_task_group() as tasks:
        for resource in resources:
            tasks.start_soon(_follow, client, resource, namespace, record)
        yield record
        for resource in resources:
            for obj in (await client.list(resource, namespace)).items:
                record.note(obj)
        tasks.cancel_scope.cancel()


async def _follow(client: Client, resource: Resource, namespace: str, record: Record) -> None:
    watch = Watch(client, resource, SystemClock(), Random(0), namespace)
    async with aclosing(watch.events()) as events:
        async for event in events:
            if event.type in (EventType.ADDED, EventType.MODIFIED, EventType.DELETED):
                record.note(event.obj)
