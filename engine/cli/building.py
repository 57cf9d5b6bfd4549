"""Build a Kustomization of a local folder: for the commands that build, and those that compare."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from engine.api.duration import format_duration
from engine.api.kustomize import Kustomization
from engine.api.meta import KUSTOMIZE_GROUP
from engine.cli.fetching import completed
from engine.cli.own_keys import OwnOpening
from engine.cli.problems import Problem
from engine.errors import ArtifactFailed
from engine.objects.manifests import Document, dump, parse
from engine.objects.redact import masked, masked_values, masker
from engine.objects.ref import Object
from engine.plan.policy import Owner, labelled
from engine.render import Remotes, Rendered, Request

_Made = TypeVar("_Made")


def kustomization_in(file: Path, name: str) -> Document:
    """The Kustomization of that name in the file, the only one without a name.

    Raises Problem or ManifestError.
    """
    found = [
        each for each in parse(file.read_bytes(), str(file)) if is_flux_kustomization(each.obj)
    ]
    names = [str((each.obj.get("metadata") or {}).get("name")) for each in found]
    wanted = [document for document, each in zip(found, names, strict=True) if name in ("", each)]
    if len(wanted) == 1:
        return wanted[0]
    if not found:
        raise Problem(f"'{file}' holds no Kustomization of {KUSTOMIZE_GROUP}")
    listed = ", ".join(names)
    if not wanted:
        raise Problem(f"'{file}' holds no Kustomization '{name}'; there is: {listed}")
    raise Problem(f"'{file}' holds several Kustomizations: {listed}; choose one with --name")


def is_flux_kustomization(obj: Any) -> bool:
    """Whether a document is one of Flux's Kustomizations, not kustomize's own."""
    return (
        isinstance(obj, Mapping)
        and obj.get("kind") == "Kustomization"
        and str(obj.get("apiVersion", "")).startswith(f"{KUSTOMIZE_GROUP}/")
    )


def owner_of(ks: Kustomization | None) -> Owner | None:
    """The labels' owner, if there is one."""
    return Owner(ks.metadata.name, ks.metadata.namespace) if ks is not None else None


def _in_time(build: Callable[[], _Made], seconds: float) -> _Made:
    """The build, by a thread that ends with the process.  Raises what it raises, and Problem."""
    results: SimpleQueue[_Made | Exception] = SimpleQueue()

    def work() -> None:
        try:
            results.put(build())
        except Exception as error:
            results.put(error)

    Thread(target=work, daemon=True).start()
    try:
        result = results.get(timeout=seconds or None)
    except Empty:
        raise Problem(
            f"the build took more than {format_duration(seconds)}, as long as --build-timeout "
            "(LOCKSTEP_BUILD_TIMEOUT) allows: the engine would stop it, too"
        ) from None
    if isinstance(result, Exception):
        raise result
    return result


@dataclass(frozen=True, slots=True)
class Limits:
    """building, fetching: seconds that each may take.  opening: opens data keys."""

    building: float
    fetching: float
    opening: OwnOpening | None


def completed_build(build: Callable[[Remotes], _Made], limits: Limits) -> _Made:
    """What is built of all that it needs.  Raises BuildFailed, ArtifactFailed, Problem."""

    def attempt(remotes: Remotes) -> _Made:
        return _in_time(partial(build, remotes), limits.building)

    return completed(attempt, limits.fetching, limits.opening)


def completed_here(build: Callable[[Remotes], _Made], request: Request, limits: Limits) -> _Made:
    """The same of a folder that is there: if it is missing, a rule has left it out."""
    try:
        return completed_build(build, limits)
    except ArtifactFailed as error:  # it is there: click has seen it
        raise Problem(
            f"folder '{request.path}' is no part of the source: .sourceignore, or one of Flux's "
            "default rules, leaves it out"
        ) from error


def stream_of(
    rendered: Rendered, owner: Owner | None, show_secrets: bool, secrets: Sequence[str] = ()
) -> str:
    """A YAML stream, a document an object.

    secrets: values to be masked wherever they are, beside what was decrypted.
    """
    hide = masker([*rendered.opened.values, *secrets])
    shown = (_shown(each.obj, owner, show_secrets) for each in rendered.objects)
    objects = (each if show_secrets else masked_values(each, hide) for each in shown)
    return "".join("---\n" + dump(obj) for obj in objects)


def _shown(obj: Object, owner: Owner | None, show_secrets: bool) -> Object:
    whole = labelled(obj, owner) if owner is not None else obj
    return whole if show_secrets else masked(whole)
