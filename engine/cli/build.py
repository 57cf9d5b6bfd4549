"""`lockstep build`: render a local folder as the engine would, without a cluster."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

import click

from engine.api import decode
from engine.api.duration import format_duration
from engine.api.kustomize import Kustomization
from engine.api.meta import KUSTOMIZE_GROUP
from engine.cli import steps
from engine.cli.explain import explanation
from engine.cli.fetching import TIMEOUT, completed, warn_of_moving
from engine.cli.flags import DURATION
from engine.cli.help import examples
from engine.cli.own_keys import opening_of, warn_of_encrypted
from engine.cli.problems import Problem
from engine.errors import ArtifactFailed
from engine.objects.manifests import Document, dump, parse
from engine.objects.redact import masked, masked_values, masker
from engine.objects.ref import Object
from engine.plan.policy import Owner, labelled
from engine.reconcile.opening import Opening
from engine.render import Decrypting, Remotes, Rendered, Request, render
from engine.render.explanation import Explainer, explain
from engine.settings import Settings
from engine.source.folder import FolderTree

_SHOWN = 3  # names of files in a message
_Made = TypeVar("_Made")


@click.command(
    "build",
    epilog=examples(
        "lockstep build ./apps/production",
        "lockstep build ./apps --kustomization-file clusters/prod/apps.yaml",
        "lockstep build ./apps --kustomization-file apps.yaml --set region=eu-1",
        "lockstep build ./apps --explain Deployment/web.spec.replicas",
    ),
)
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--kustomization-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Flux Kustomization whose spec holds (patches, postBuild, images ...); PATH replaces "
    "its spec.path.",
)
@click.option("--name", default="", help="Which one, if the file holds several Kustomizations.")
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder that stands for the source: nothing outside is read.  By default the Git work "
    "tree that PATH is in, else PATH.",
)
@click.option(
    "--set",
    "settings",
    metavar="NAME=VALUE",
    multiple=True,
    help="A variable, in place of those that substituteFrom reads from the cluster (repeatable).",
)
@click.option(
    "--strict-substitutions/--no-strict-substitutions",
    default=True,
    show_default=True,
    help="An undefined variable without default fails the build.",
)
@click.option(
    "--no-remote-bases", is_flag=True, help="Refuse bases and files that are named by URL."
)
@click.option(
    "--build-timeout",
    "seconds",
    type=DURATION,
    default=format_duration(Settings().build_timeout),
    envvar="LOCKSTEP_BUILD_TIMEOUT",
    show_default=True,
    help="How long it may take, as in the engine; 0s: any time.",
)
@click.option(
    "--sops-age-key-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with age keys: what is encrypted is decrypted even if no Kustomization asks for it."
    "  One that does takes the keys that sops would: SOPS_AGE_KEY, SOPS_AGE_KEY_FILE, or the "
    "user's sops/age/keys.txt.",
)
@click.option(
    "--sops-verify-mac/--no-sops-verify-mac",
    default=True,
    show_default=True,
    help="Refuse an encrypted file that was changed since it was encrypted.",
)
@click.option(
    "--show-secrets", is_flag=True, help="Print values of Secrets and what was decrypted, too."
)
@click.option(
    "--explain",
    "target",
    metavar="OBJECT[.FIELD]",
    default="",
    help="Print where an object, or one field of it, comes from, instead of the objects.  OBJECT "
    "is KIND/NAME, or KIND.GROUP/NAMESPACE/NAME.  Values of Secrets are always masked.",
)
@click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="The form of --explain.",
)
def command(
    path: Path, kustomization_file: Path | None, name: str, root: Path | None, **how: Any
) -> None:
    """Render a local folder as the engine would.

    The objects are printed as YAML; the values of Secrets are masked.
    """
    if how["form"] != "text" and not how["target"]:
        raise click.UsageError("--output is for --explain")
    root = (root or _work_tree(path)).resolve()
    request = Request(
        path=_below(root, path),
        strict=how["strict_substitutions"],
        no_remote_bases=how["no_remote_bases"],
    )
    found = _kustomization(kustomization_file, name) if kustomization_file else None
    ks = decode(Kustomization, found.obj) if found is not None else None
    variables = _variables(how["settings"], ks)
    if ks is not None:
        strict, remote = request.strict, request.no_remote_bases
        given = Request.of(ks, variables, strict=strict, no_remote_bases=remote)
        request = replace(given, path=request.path)
    elif variables:
        request = replace(request, variables=variables)
    opening = opening_of(ks, how["sops_age_key_file"])
    if opening is not None:
        request = replace(request, decryption=Decrypting("", how["sops_verify_mac"]))
    limits = _Limits(how["seconds"], ks.timeout if ks is not None else TIMEOUT, opening)
    if how["target"]:
        explainer = _explainer(found, ks, how["settings"])
        work = partial(explain, FolderTree(root), request, how=explainer)
        explained = _completed(work, request, limits)
        click.echo(explanation(explained, how["target"], how["form"]), nl=False)
        return
    build = partial(render, FolderTree(root), request)
    rendered = _completed(build, request, limits)
    warn_of_moving(rendered.inputs)
    warn_of_encrypted(rendered, ks)
    if not rendered.objects:
        steps.warning(f"no objects: {_read(rendered, path)}")
    click.echo(_text(rendered, _owner(ks), how["show_secrets"]), nl=False)


def _work_tree(path: Path) -> Path:
    """The nearest folder at or above `path` that Git manages, `path` itself without one."""
    inner = path.resolve()
    return next((each for each in (inner, *inner.parents) if (each / ".git").exists()), inner)


def _below(root: Path, path: Path) -> str:
    try:
        return path.resolve().relative_to(root).as_posix()
    except ValueError:
        raise click.UsageError(f"'{path}' is not below the root '{root}'") from None


def _kustomization(file: Path, name: str) -> Document:
    """The Kustomization of that name in the file, the only one without a name.

    Raises Problem or ManifestError.
    """
    found = [each for each in parse(file.read_bytes(), str(file)) if _is_kustomization(each.obj)]
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


def _is_kustomization(obj: Any) -> bool:
    return (
        isinstance(obj, Mapping)
        and obj.get("kind") == "Kustomization"
        and str(obj.get("apiVersion", "")).startswith(f"{KUSTOMIZE_GROUP}/")
    )


def _variables(settings: Sequence[str], ks: Kustomization | None) -> dict[str, str]:
    """Those of `--set`, and the Kustomization's own, which win as they do in the engine."""
    variables = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise click.UsageError(f"--set '{setting}': write NAME=VALUE")
        variables[name] = value
    post_build = ks.spec.post_build if ks is not None else None
    if post_build is None:
        return variables
    for reference in post_build.substitute_from:
        steps.warning(
            f"{reference.kind} '{reference.name}' of postBuild.substituteFrom is not read; "
            "give its variables with --set"
        )
    own = {name: value.replace("\n", "") for name, value in post_build.substitute.items()}
    return variables | own


def _owner(ks: Kustomization | None) -> Owner | None:
    return Owner(ks.metadata.name, ks.metadata.namespace) if ks is not None else None


def _explainer(
    found: Document | None, ks: Kustomization | None, settings: Sequence[str]
) -> Explainer:
    if found is None:
        return Explainer()
    content, owner = Path(found.file).read_bytes(), _owner(ks)
    labels = labelled({"metadata": {}}, owner)["metadata"]["labels"] if owner is not None else {}
    return Explainer(found, content, _hidden(settings, ks), labels)


def _hidden(settings: Sequence[str], ks: Kustomization | None) -> frozenset[str]:
    """Variables of `--set` that may stand in for those of a Secret: their values are not shown."""
    post_build = ks.spec.post_build if ks is not None else None
    if post_build is None or all(each.kind != "Secret" for each in post_build.substitute_from):
        return frozenset()
    return frozenset(setting.partition("=")[0] for setting in settings) - set(post_build.substitute)


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
class _Limits:
    """building, fetching: seconds that each may take.  opening: opens data keys."""

    building: float
    fetching: float
    opening: Opening | None


def _completed(build: Callable[[Remotes], _Made], request: Request, limits: _Limits) -> _Made:
    """What is built of all that it needs."""

    def attempt(remotes: Remotes) -> _Made:
        return _in_time(partial(_built, partial(build, remotes), request), limits.building)

    return completed(attempt, limits.fetching, limits.opening)


def _built(build: Callable[[], _Made], request: Request) -> _Made:
    """What is built.  Raises BuildFailed, Lacking, Problem."""
    try:
        return build()
    except ArtifactFailed as error:  # it is there: click has seen it
        raise Problem(
            f"folder '{request.path}' is no part of the source: .sourceignore, or one of Flux's "
            "default rules, leaves it out"
        ) from error


def _read(rendered: Rendered, path: Path) -> str:
    """Why there are no objects: what was read, for messages."""
    files = sorted(rendered.inputs.files)
    if not files:
        return f"'{path}' holds no *.yaml or *.yml that .sourceignore does not leave out"
    more = f" and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
    return f"there are none in {', '.join(files[:_SHOWN])}{more}"


def _text(rendered: Rendered, owner: Owner | None, show_secrets: bool) -> str:
    """A YAML stream, a document an object."""
    hide = masker(rendered.opened.values)
    shown = (_shown(each.obj, owner, show_secrets) for each in rendered.objects)
    objects = (each if show_secrets else masked_values(each, hide) for each in shown)
    return "".join("---\n" + dump(obj) for obj in objects)


def _shown(obj: Object, owner: Owner | None, show_secrets: bool) -> Object:
    whole = labelled(obj, owner) if owner is not None else obj
    return whole if show_secrets else masked(whole)
