"""The story: what is done in each step, what must come of it, and how long that took.

Nothing here waits for time to pass: each step is told by watches that it came out as it should.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from engine.api.meta import PROGRESSING
from engine.demo import fleet
from engine.demo.fleet import KUSTOMIZATIONS, ROOT, Files
from engine.demo.news import Line, Tone
from engine.demo.show import Show
from engine.demo.world import Mark, NotAsTold, World, is_at, owner_of, ready_of
from engine.objects.manifests import parse
from engine.objects.ref import Object, Ref
from engine.plan.drift import differences

_WEB = Ref("apps", "Deployment", "shop", "web")
_API = Ref("apps", "Deployment", "shop", "api")
_REPORTS = Ref("apps", "Deployment", "shop", "reports")
_GRAFANA = Ref("apps", "Deployment", "monitoring", "grafana")


@dataclass(frozen=True, slots=True)
class Told:
    """How a step ended; seconds: from the act to the last effect; seen: that effect, in words."""

    seconds: float
    seen: str


@dataclass(frozen=True, slots=True)
class Step:
    """One part of the story."""

    title: str
    play: Callable[[World, Show], Awaitable[Told]]


async def start(world: World, show: Show) -> Told:
    """The fleet's first commit, the bootstrap, and everything Ready in the order of dependsOn."""
    mark = world.mark()
    files = fleet.first_files(world.url)
    commit = _commit(world, show, files, "Start the fleet")
    _act(show, "flux bootstrap", f"applies GitRepository and Kustomization {ROOT} by hand, once")
    for document in parse(fleet.sync_of(files).encode(), "gotk-sync.yaml"):
        await world.apply(document.obj)
    seconds = await _applied(world, mark, commit, KUSTOMIZATIONS, KUSTOMIZATIONS)
    count = sum(len(_inventory(world.kustomization(name))) for name in KUSTOMIZATIONS)
    return Told(seconds, f"{count} objects of {len(KUSTOMIZATIONS)} Kustomizations are live")


async def release(world: World, show: Show) -> Told:
    """A commit changes an image; it runs."""
    before, mark = world.live(_WEB), world.mark()
    commit = _commit(world, show, fleet.release(world.files), "Promote web 1.5.0 to prod")
    await _push(world, show)
    seconds = await _applied(world, mark, commit, KUSTOMIZATIONS, {"apps"})
    changed = await _changed(world, show, before, _WEB)
    _expect(
        any(path.endswith(".image") and str(new).endswith(":1.5.0") for path, _, new in changed),
        f"{_WEB} should run web:1.5.0, but what changed is {changed}",
    )
    return Told(seconds, "the new image is live")


async def drift(world: World, show: Show) -> Told:
    """Somebody edits a live object; a watch tells the engine, which sets it back."""
    wanted, mark = world.live(_WEB), world.mark()
    edited = await world.edit(_WEB, {"spec": {"replicas": 1}})
    who = owner_of(edited, "spec", "replicas")
    _act(show, who, f"{_WEB}: .spec.replicas {wanted['spec']['replicas']} -> 1")

    def is_set_back() -> bool:
        live = world.live(_WEB)
        is_newer = live["metadata"]["generation"] > edited["metadata"]["generation"]
        return bool(is_newer and live["spec"]["replicas"] == wanted["spec"]["replicas"])

    await world.until(f"{_WEB} to be set back", is_set_back)
    seconds = world.since(mark)
    await world.until("its event", lambda: world.has_told("apps", PROGRESSING, mark))
    await _changed(world, show, edited, _WEB)
    owner = owner_of(world.live(_WEB), "spec", "replicas")
    return Told(seconds, f"{owner} owns .spec.replicas again")


async def removal(world: World, show: Show) -> Told:
    """A commit removes an app; its objects are deleted."""
    mark = world.mark()
    commit = _commit(world, show, fleet.removal(world.files), "Retire the app reports")
    await _push(world, show)
    await world.until(f"{_REPORTS} to be pruned", lambda: _REPORTS not in world.objects)
    seconds = await _applied(world, mark, commit, KUSTOMIZATIONS, {"apps"})
    # By its text: an event of the step before may be written only now.
    await world.until("its event", lambda: world.has_said(f"{_REPORTS} deleted"))
    left = [each for each in _inventory(world.kustomization("apps")) if "reports" in each]
    _expect(not left, f"the inventory of apps should not name reports any more, but has {left}")
    return Told(seconds, "nothing of reports is left")


async def mistake(world: World, show: Show) -> Told:
    """A commit breaks one manifest; it is reported, what runs stays, the rest goes on."""
    api, grafana = world.live(_API), world.live(_GRAFANA)
    mark = world.mark()
    changed = fleet.mistake(world.files)
    line = fleet.line_of(changed[fleet.BROKEN_FILE], "paused")
    commit = _commit(world, show, changed, "Two pods for api, a light theme for monitoring")
    await _push(world, show)
    await world.until(
        "apps to fail with BuildFailed",
        lambda: ready_of(world.kustomization("apps")).get("reason") == "BuildFailed",
    )
    seconds = await _applied(world, mark, commit, set(KUSTOMIZATIONS) - {"apps"}, {"monitoring"})
    await world.until("apps to finish", lambda: world.has_ended("apps", mark))
    await _changed(world, show, grafana, _GRAFANA)
    message, place = ready_of(world.kustomization("apps"))["message"], f"{fleet.BROKEN_FILE}:{line}"
    _expect(place in message, f"apps should name {place}, but says: {message}")
    _expect(world.live(_API) == api, f"{_API} should stay as it was while apps cannot be built")
    return Told(seconds, f"{place} is named; monitoring went on")


async def repair(world: World, show: Show) -> Told:
    """The next commit repairs it; everything is Ready again."""
    api, mark = world.live(_API), world.mark()
    commit = _commit(world, show, fleet.repair(world.files), "Repair the manifest of api")
    await _push(world, show)
    seconds = await _applied(world, mark, commit, KUSTOMIZATIONS, {"apps"})
    await _changed(world, show, api, _API)
    _expect(world.live(_API)["spec"]["replicas"] == 2, f"{_API} should have two replicas")
    return Told(seconds, "everything is Ready again")


STEPS = (
    Step("A cluster comes up from Git", start),
    Step("A commit goes live", release),
    Step("A manual edit is corrected", drift),
    Step("A removed app is pruned", removal),
    Step("A broken file is reported", mistake),
    Step("The next commit repairs it", repair),
)


def _commit(world: World, show: Show, changed: Files, message: str) -> str:
    commit = world.commit(changed, message)
    _act(show, "git push", f'main is {commit[:8]} "{message}"')
    return commit


async def _push(world: World, show: Show) -> None:
    _act(show, "webhook", f"asks for source {ROOT}, which is polled every minute otherwise")
    await world.request("GitRepository", ROOT)


async def _applied(
    world: World, mark: Mark, commit: str, names: Iterable[str], changed: Iterable[str]
) -> float:
    """Seconds from `mark` until the Kustomizations are Ready at the commit.

    changed: those of which it changes objects.  Returns when their events are written, too: else
    those would be counted for the next step.
    """
    wanted = sorted(names)

    def are_at() -> bool:
        return all(is_at(world.kustomization(name), commit) for name in wanted)

    await world.until(f"{', '.join(wanted)} to be Ready at {commit[:8]}", are_at)
    seconds = world.since(mark)
    await world.until("their events", lambda: all(world.has_ended(n, mark) for n in changed))
    return seconds


async def _changed(
    world: World, show: Show, before: Object, ref: Ref
) -> list[tuple[str, Any, Any]]:
    """Tells which fields of an object are not what they were, once some are: (path, old, new).

    Awaited, as each kind has a watch of its own: its Kustomization may be known to be Ready first.
    """
    found = await world.until(
        f"{ref} to change", lambda: list(differences(before, world.live(ref))) or None
    )
    changed = [(each.path, each.live, each.desired) for each in found]
    for path, old, new in changed:
        show.tell(Line("live", f"{ref}: {path} {old} -> {new}", Tone.GOOD))
    return changed


def _inventory(kustomization: Object) -> list[str]:
    inventory = (kustomization.get("status") or {}).get("inventory") or {}
    return [entry["id"] for entry in inventory.get("entries") or ()]


def _act(show: Show, who: str, text: str) -> None:
    show.tell(Line(who, text))


def _expect(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise NotAsTold(otherwise)
