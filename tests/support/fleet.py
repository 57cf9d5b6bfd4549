"""A user's world in a test: a Git server, an API server, an engine, and news from both."""

import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

import anyio

from engine import app as application
from engine.api.meta import KUSTOMIZE_GROUP, NOTIFICATION_GROUP, REQUESTED_AT, SOURCE_GROUP
from engine.cluster import Client, Resource, connected
from engine.cluster.connect import from_kubeconfig
from engine.cluster.mirror import version
from engine.cluster.watch import EventType, Watch
from engine.objects.manifests import dump
from engine.objects.ref import Object
from engine.plugin import NO_PLUGINS, Plugin
from engine.runtime import SystemClock
from engine.serve.git import serve_git
from engine.settings import Settings
from engine.source.author import commit_files, create_repository
from tests.support.apiserver import ApiServer
from tests.support.definitions import install_once

Content: TypeAlias = str | Object | Sequence[Object] | None
Files: TypeAlias = Mapping[str, Content]


def content(value: Content) -> bytes | None:
    """A file's content: text, an object, or several as documents; None removes the file."""
    if value is None or isinstance(value, str):
        return value.encode() if value is not None else None
    if isinstance(value, Mapping):
        return dump(value).encode()
    return "---\n".join(dump(each) for each in value).encode()


def config_map(name: str, namespace: str = "", /, **data: str) -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def condition_of(obj: Object, type_: str = "Ready") -> Object:
    """The condition of an object, empty if there is none."""
    conditions = (obj.get("status") or {}).get("conditions") or []
    return next((each for each in conditions if each["type"] == type_), {})


def is_ready(obj: Object) -> bool:
    """Ready at the newest generation."""
    observed = (obj.get("status") or {}).get("observedGeneration")
    return condition_of(obj).get("status") == "True" and observed == obj["metadata"]["generation"]


def has_reason(reason: str) -> Callable[[Object], bool]:
    """Ready False with that reason."""

    def check(obj: Object) -> bool:
        ready = condition_of(obj)
        return bool(ready.get("status") == "False" and ready.get("reason") == reason)

    return check


def is_checking(obj: Object) -> bool:
    """Its health checks run."""
    message = str(condition_of(obj, "Reconciling").get("message", ""))
    return message.startswith("Running health checks")


def has_handled(token: str) -> Callable[[Object], bool]:
    """A request with that token was answered."""

    def check(obj: Object) -> bool:
        return (obj.get("status") or {}).get("lastHandledReconcileAt") == token

    return check


def is_at(revision: str) -> Callable[[Object], bool]:
    """Ready, with that commit applied."""

    def check(obj: Object) -> bool:
        return is_ready(obj) and (obj["status"].get("lastAppliedRevision") or "").endswith(revision)

    return check


@dataclass
class Fleet:
    """What a test needs of its user's world; made by `fleet_at`."""

    client: Client
    server: ApiServer
    namespace: str
    folder: Path
    git_url: str
    states: list[application.State] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    _written: dict[tuple[str, str], int] = field(default_factory=dict)
    """The version that the last patch of an object gave: a watch may begin with an older one."""

    def commit(self, files: Files, message: str = "change", repository: str = "fleet") -> str:
        """The id of a new commit with these files changed; makes the repository."""
        path = self.folder / "repositories" / repository
        if not path.exists():
            create_repository(path)
        return commit_files(path, {name: content(file) for name, file in files.items()}, message)

    async def source(self, name: str = "fleet", /, **spec: Any) -> None:
        """Creates a GitRepository of the fleet's repository."""
        await self.create(
            "GitRepository",
            name,
            {"url": f"{self.git_url}/fleet", "interval": "1h", "ref": {"branch": "main"}} | spec,
        )

    async def kustomization(self, name: str, /, **spec: Any) -> None:
        """Creates a Kustomization of the fleet's source."""
        await self.put(self.described(name, **spec))

    def described(self, name: str, /, **spec: Any) -> dict[str, Any]:
        """The manifest of a Kustomization of the fleet's source."""
        wanted = {
            "interval": "1h",
            "prune": True,
            "sourceRef": {"kind": "GitRepository", "name": "fleet"},
            "targetNamespace": self.namespace,
        }
        return {
            "apiVersion": f"{KUSTOMIZE_GROUP}/v1",
            "kind": "Kustomization",
            "metadata": {"name": name},
            "spec": wanted | spec,
        }

    async def app(self, files: Files, message: str = "change", /, **spec: Any) -> str:
        """The id of a commit, of which a source and a Kustomization of its folder `app` are made.

        Both are created; the Kustomization is called `app`, and the source as its repository.
        """
        commit = self.commit(files, message)
        await self.source()
        await self.kustomization("app", path="./app", **spec)
        return commit

    async def create(self, kind: str, name: str, spec: Object) -> None:
        """Creates an object of Flux's kinds."""
        api_version = (await self.resource(kind)).api_version
        await self.put(
            {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": spec}
        )

    async def put(self, obj: Object, manager: str = "") -> None:
        """Creates an object in the fleet's namespace."""
        resource = await self.resource(obj["kind"])
        await self.client.create(resource, obj, self.namespace, field_manager=manager)

    async def patch(self, kind: str, name: str, patch: Object) -> dict[str, Any]:
        """Merges a patch into an object, as `kubectl patch --type merge`."""
        patched = await self.client.merge_patch(
            await self.resource(kind), self.namespace, name, patch, field_manager="kubectl-patch"
        )
        self._written[kind, name] = version(patched)
        return patched

    async def request(self, kind: str, name: str, token: str) -> None:
        """What `flux reconcile` writes."""
        await self.patch(kind, name, {"metadata": {"annotations": {REQUESTED_AT: token}}})

    async def reconcile(self, kind: str, name: str) -> dict[str, Any]:
        """The object once it has answered a new request."""
        token = secrets.token_hex(4)
        await self.request(kind, name, token)
        return await self.until(kind, name, has_handled(token))

    async def goes_live(self, files: Files) -> dict[str, Any]:
        """The Kustomization `app` once a new commit with these files changed is applied."""
        commit = self.commit(files)
        await self.request("GitRepository", "fleet", commit)
        return await self.until("Kustomization", "app", is_at(commit))

    async def data(self, name: str) -> dict[str, str] | None:
        """The data of a ConfigMap, None if there is no such object."""
        found = await self.get("ConfigMap", name)
        return None if found is None else dict(found.get("data", {}))

    async def delete(self, kind: str, name: str) -> None:
        await self.client.delete(await self.resource(kind), self.namespace, name)

    async def get(self, kind: str, name: str) -> dict[str, Any] | None:
        return await self.client.get(await self.resource(kind), self.namespace, name)

    async def until(self, kind: str, name: str, check: Callable[[Object], bool]) -> dict[str, Any]:
        """The object once `check` holds for it; told by a watch."""
        async for obj in self.news(kind, name):
            if obj is not None and check(obj):
                return dict(obj)
        raise AssertionError("a watch never ends")

    async def until_gone(self, kind: str, name: str) -> None:
        """Returns once there is no such object."""
        async for obj in self.news(kind, name):
            if obj is None:
                return

    async def news(self, kind: str, name: str) -> AsyncIterator[Object | None]:
        """The object as it is and at each change; None when it does not exist."""
        resource = await self.resource(kind)
        query = {"field_selector": f"metadata.name={name}"}
        watch = Watch(self.client, resource, SystemClock(), Random(0), self.namespace, query)  # type: ignore[arg-type]
        seen = False
        async with aclosing(watch.events()) as events:
            async for event in events:
                if event.type in (EventType.ADDED, EventType.MODIFIED):
                    seen = True
                    if version(event.obj) >= self._written.get((kind, name), 0):
                        yield event.obj
                elif event.type is EventType.DELETED or (
                    event.type is EventType.SYNCED and not seen
                ):
                    yield None

    async def resource(self, kind: str) -> Resource:
        group, version = _GROUPS.get(kind, ("", "v1"))
        return await self.client.discovery.resource(group, version, kind)

    @asynccontextmanager
    async def engine(
        self, plugins: Plugin = NO_PLUGINS, **settings: Any
    ) -> AsyncIterator[application.State]:
        """An engine that works on this fleet's namespace, as a task of this process."""
        usual: dict[str, Any] = {
            "runtime_namespace": self.namespace,
            "watch_all_namespaces": False,
            "storage_path": str(self.folder / "storage"),
            "storage_addr": "127.0.0.1:0",
            "events_listen_addr": "127.0.0.1:0",
            "metrics_addr": "127.0.0.1:0",
            "health_addr": "127.0.0.1:0",
            "receiver_addr": "127.0.0.1:0",
        }
        wanted = Settings(**(usual | self.settings | settings))
        stop, state = anyio.Event(), application.State()
        endpoint = from_kubeconfig(self.server.kubeconfig)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(application.run, wanted, endpoint, stop, state, plugins)
            self.states.append(state)
            yield state
            stop.set()


_GROUPS = {
    "GitRepository": (SOURCE_GROUP, "v1"),
    "ExternalArtifact": (SOURCE_GROUP, "v1"),
    "OCIRepository": (SOURCE_GROUP, "v1"),
    "Bucket": (SOURCE_GROUP, "v1"),
    "Kustomization": (KUSTOMIZE_GROUP, "v1"),
    "HelmRelease": ("helm.toolkit.fluxcd.io", "v2"),
    "Receiver": (NOTIFICATION_GROUP, "v1"),
    "Alert": (NOTIFICATION_GROUP, "v1beta3"),
    "Provider": (NOTIFICATION_GROUP, "v1beta3"),
    "Deployment": ("apps", "v1"),
    "StatefulSet": ("apps", "v1"),
    "DaemonSet": ("apps", "v1"),
    "Job": ("batch", "v1"),
    "HorizontalPodAutoscaler": ("autoscaling", "v2"),
    "Lease": ("coordination.k8s.io", "v1"),
    "Role": ("rbac.authorization.k8s.io", "v1"),
    "RoleBinding": ("rbac.authorization.k8s.io", "v1"),
    "CustomResourceDefinition": ("apiextensions.k8s.io", "v1"),
}


@asynccontextmanager
async def fleet_at(server: ApiServer, namespace: str, folder: Path) -> AsyncIterator[Fleet]:
    """A Fleet on that API server, with Flux's definitions installed and a Git server running."""
    repositories = folder / "repositories"
    repositories.mkdir(parents=True, exist_ok=True)
    endpoint = from_kubeconfig(server.kubeconfig)
    async with (
        connected(endpoint, SystemClock(), Random(0)) as client,
        serve_git(repositories) as git,
    ):
        await install_once(client, server.url)
        yield Fleet(client, server, namespace, folder, git.url)
