"""What comes into a cluster and goes again, round after round: some of every kind and state.

A round leaves the world as it found it, but for the commits and events of it.
"""

import base64
from dataclasses import dataclass
from typing import Any

import aiohttp
import anyio

from engine.app import State, reachable
from tests.support.apiserver import kubeconfig
from tests.support.chat import Generic
from tests.support.fleet import Fleet, config_map, has_reason, is_at, is_ready
from tests.support.proxy import FaultProxy
from tests.support.remote import POLL, secret
from tests.support.sealing import Person, Seal
from tests.support.webhooks import SENDERS, TOKEN

_ME = Person()
_SOPS = {"decryption": {"provider": "sops", "secretRef": {"name": "keys"}}}
_FLEET = {"kind": "GitRepository", "name": "fleet"}
_ALL = [{"kind": "Kustomization", "name": "*"}]
_LASTING = {"interval": "1h", "retryInterval": "1h", "timeout": "1m"}

GONE = (
    ("Kustomization", "app"),
    ("Kustomization", "renamed"),
    ("Kustomization", "broken"),
    ("Kustomization", "after"),
    ("Kustomization", "waits"),
    ("Kustomization", "lost"),
    ("Kustomization", "own"),
    ("Kustomization", "remote"),
    ("GitRepository", "source"),
    ("GitRepository", "own"),
    ("Receiver", "hook"),
    ("Receiver", "odd"),
    ("Alert", "alert"),
    ("Provider", "chat"),
    ("ConfigMap", "vars"),
)


@dataclass
class Visitors:
    """Rounds on one engine; chat: is told of what happens by its Providers, at that URL."""

    fleet: Fleet
    state: State
    proxy: FaultProxy
    chat: Generic
    url: str
    rounds: int = 0

    @staticmethod
    async def prepare(fleet: Fleet, far: str) -> None:
        """What stays: a source, a Kustomization, keys, a token, and the way to another cluster."""
        for name, key, text in (
            ("keys", "me.agekey", _ME.key_file),
            ("webhook", "token", TOKEN.encode()),
        ):
            data = {key: base64.b64encode(text).decode()}
            obj = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}
            await fleet.put(obj)
        await fleet.put(secret("remote", kubeconfig(far)))
        await fleet.app({"app/web.yaml": config_map("web", color="blue")})

    async def come_and_go(self) -> None:
        """One round."""
        self.rounds += 1
        commit = self._commit()
        await self.fleet.request("GitRepository", "fleet", commit)
        await self._come()
        await self._arrive(commit)
        await self._meddle()
        await self._go()
        await self._quiet()
        self.proxy.passed.clear()
        self.chat.messages.clear()

    def name(self, of: str) -> str:
        """An object's, in this round."""
        return f"{of}-{self.rounds}"

    def _commit(self) -> str:
        app, name = self.name("app"), self.name
        login = config_map("login", password="one")
        login = {**login, "metadata": {"name": name("login")}}
        own = {"all/own.yaml": config_map(name("own-web"), color="red")}
        self.fleet.commit(own, repository=self.name("repository"))
        old = {f"app-{self.rounds - 1}/{each}.yaml": None for each in ("a", "b", "login")}
        return self.fleet.commit(
            {
                **(old if self.rounds > 1 else {}),
                f"{app}/a.yaml": config_map(name("a"), color="blue"),
                f"{app}/b.yaml": config_map(name("b"), step="v${step:=none}"),
                f"{app}/login.yaml": Seal([_ME], "^password$").yaml(login).decode(),
                f"{name('broken')}/a.yaml": "kind: [",
                f"{name('renamed')}/a.yaml": config_map(name("a"), color="green"),
                f"{name('remote')}/far.yaml": config_map(name("far"), color="blue"),
            }
        )

    async def _come(self) -> None:
        fleet, name = self.fleet, self.name
        await fleet.put(config_map(name("vars"), step=str(self.rounds)))
        await fleet.source(name("source"))
        await fleet.source(name("own"), url=f"{fleet.git_url}/{name('repository')}")
        variables = {"substituteFrom": [{"kind": "ConfigMap", "name": name("vars")}]}
        await self._kustomization("app", wait=True, postBuild=variables, **_SOPS)
        await self._kustomization("broken")
        await self._kustomization("after", path="./app", dependsOn=[{"name": name("app")}])
        await self._kustomization("waits", path="./app", dependsOn=[{"name": name("broken")}])
        await self._kustomization("lost", sourceRef={**_FLEET, "name": "nowhere"})
        await self._kustomization("own", path="./all", sourceRef={**_FLEET, "name": name("own")})
        link = {"secretRef": {"name": "remote"}}
        await self._kustomization("remote", kubeConfig=link)
        hook = {"type": "github", "secretRef": {"name": "webhook"}, "resources": [_FLEET]}
        await fleet.create("Receiver", name("hook"), hook)
        await fleet.create("Receiver", name("odd"), hook | {"secretRef": {"name": "nowhere"}})
        await fleet.create("Provider", name("chat"), {"type": "generic", "address": self.url})
        alert = {"providerRef": {"name": name("chat")}, "eventSources": _ALL}
        await fleet.create("Alert", name("alert"), alert)

    async def _kustomization(self, of: str, **spec: Any) -> None:
        wanted = {"path": f"./{self.name(of)}", **_LASTING, **spec}
        await self.fleet.kustomization(self.name(of), **wanted)

    async def _arrive(self, commit: str) -> None:
        """Returns once all is as it can be."""
        until, name = self.fleet.until, self.name
        await until("Kustomization", name("app"), is_at(commit))
        for of in ("after", "own", "remote"):
            await until("Kustomization", name(of), is_ready)
        await until("Kustomization", name("broken"), has_reason("BuildFailed"))
        await until("Kustomization", name("waits"), has_reason("DependencyNotReady"))
        await until("Kustomization", name("lost"), has_reason("ArtifactFailed"))
        await until("Receiver", name("odd"), has_reason("TokenNotFound"))
        await until("GitRepository", name("source"), is_ready)

    async def _meddle(self) -> None:
        """Calls, cuts, edits, renames, suspends."""
        fleet, name = self.fleet, self.name
        hook = await fleet.until("Receiver", name("hook"), is_ready)
        url = f"http://{reachable(self.state.addresses['webhooks'])}"
        call = SENDERS["github"].call()
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                url + hook["status"]["webhookPath"], data=call.body, headers=call.headers
            ) as answer,
        ):
            assert answer.status == 200
        self.proxy.cut_watches()
        await fleet.patch("ConfigMap", name("a"), {"data": {"color": "mine"}})
        await fleet.until("ConfigMap", name("a"), lambda obj: bool(obj["data"]["color"] == "blue"))
        await fleet.patch("GitRepository", name("source"), {"spec": {"suspend": True}})
        await self._kustomization("renamed")
        await fleet.until("Kustomization", name("renamed"), is_ready)

    async def _go(self) -> None:
        """All goes; one loses its finalizer to somebody's patience."""
        await self.fleet.patch(
            "Kustomization", self.name("lost"), {"metadata": {"finalizers": None}}
        )
        for kind, of in GONE:
            await self.fleet.delete(kind, self.name(of))
        for kind, of in GONE:
            await self.fleet.until_gone(kind, self.name(of))

    async def _quiet(self) -> None:
        """Returns once the engine has nothing to do, and has said all."""
        calm = 0
        while calm < 5:
            await anyio.sleep(POLL)
            calm = calm + 1 if self._is_quiet() else 0

    def _is_quiet(self) -> bool:
        state = self.state
        assert state.engine is not None
        assert state.dispatch is not None
        found = [each.statistics() for each in state.controllers.values()]
        working = sum(each.working + each.waiting + each.due for each in found)
        recorder = state.engine.recorder
        unsaid = len(recorder._events.waiting) + len(recorder._posts.waiting)
        unsaid += len(state.engine.reports._waiting)
        return not (working or unsaid or state.dispatch.queue.waiting)
