"""The objects that a Kustomization wants: gather variables, render in a worker, label, scope."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

from engine.api.kustomize import Kustomization
from engine.cluster import UnknownKind
from engine.cluster.discovery import Discovery
from engine.errors import BuildFailed, BuildStopped, ReconciliationFailed
from engine.objects.ref import Object, Ref, version_of
from engine.plan.containment import kind_of
from engine.plan.observation import content_of
from engine.plan.policy import Owner, labelled
from engine.reconcile.builder import Job
from engine.reconcile.builds import Desired, Kind
from engine.reconcile.decryption import decrypting, opening_of
from engine.reconcile.old_keys import tell_old_keys
from engine.reconcile.remotes import Fetch, built, secrets_in_urls, urls_of
from engine.reconcile.run import Run
from engine.reconcile.sources import Outdated, source_ref
from engine.reconcile.variables import variables_of
from engine.render import Needs, Rendered, Request
from engine.render.decrypt import is_refused
from engine.source.artifact import Artifact
from engine.source.transport import without_secrets
from engine.telemetry import logger

T = TypeVar("T")
_TOLD = 20  # Secrets that a message names


async def rendered(artifact: Artifact, ks: Kustomization, run: Run) -> Desired:
    """The build of `spec.path`, from memory if nothing that it reads has changed.

    Raises BuildFailed; ReconciliationFailed for what is encrypted.
    """
    settings, builds, owner = run.engine.settings, run.engine.builds, run.turn.key
    variables = await variables_of(ks, run)
    request = Request.of(
        ks,
        variables.values,
        looked_in=variables.looked_in,
        strict=settings.strict_substitutions,
        no_remote_bases=settings.no_remote_bases,
    )
    opening = await opening_of(ks, run)
    request = replace(
        request,
        secret_variables=variables.secret,
        seal=variables.seal,
        decryption=decrypting(opening, run),
    )
    fetch = Fetch(run.engine.depot.bases, ks.timeout, "spec.timeout", opening=opening)
    fetch.recall(builds.sealed(owner))
    moving = Needs() if run.is_correction else builds.moving(owner, request, artifact.tree)
    run.built = Job(artifact.tree, request, fetch.got)
    held = builds.held(owner, request, artifact.tree) if not moving else None
    if held is not None and await _holds(held, fetch, run):
        _tell_keys(ks, fetch, held, run)
        return held
    try:
        made = await _unless_superseded(partial(_built, artifact, request, moving, fetch, run), run)
    except BuildStopped:  # says nothing about the tree
        raise
    except BuildFailed as failure:
        if urls_of(fetch.got) or (opening is not None and opening.has_asked):
            builds.note_failure(owner)
        else:
            builds.keep_failure(owner, request, artifact.tree, failure)
        run.engine.readers.forget(owner)
        raise
    finally:
        run.secrets += secrets_in_urls(urls_of(fetch.got))
    _tell_keys(ks, fetch, made, run)
    if isinstance(made, Desired):
        return made
    run.built = Job(artifact.tree, request, fetch.got)
    _check_readable(made)
    marked = Owner(ks.metadata.name, ks.metadata.namespace)
    run.secrets += made.opened.values
    desired, is_sure = await scoped(made, marked, run.reader.discovery)
    if is_sure:
        builds.keep(owner, request, made.inputs, desired)
        run.engine.readers.keep(owner, source_ref(ks), artifact.tree, made.inputs)
        _tell_moving(made, run)
    return desired


async def _unless_superseded(work: Callable[[], Awaitable[T]], run: Run) -> T:
    """What the work gives, unless something newer asks for other work: then Outdated is raised."""
    builds, owner = run.engine.builds, run.turn.key
    if not builds.may_end(owner):
        return await work()
    with run.turn.until_superseded():
        return await work()
    builds.ended(owner)
    raise Outdated(f"{owner} was being built, and is asked for anew")


async def _built(
    artifact: Artifact, request: Request, moving: Needs, fetch: Fetch, run: Run
) -> Rendered | Desired:
    """The build; the last one if what is `moving` stands where it stood."""

    async def bring(needs: Needs) -> None:
        await _brought(needs, fetch, run)

    if moving:
        await bring(moving)
        held = run.engine.builds.held(run.turn.key, request, artifact.tree, fetch.got)
        if held is not None and await _holds(held, fetch, run):
            return held
    build = partial(run.engine.builders.build, tenant=run.turn.key.namespace)
    return await built(
        lambda remotes: build(artifact.tree, request, run.turn.priority, remotes), fetch, bring
    )


async def _brought(needs: Needs, fetch: Fetch, run: Run) -> None:
    """Returns once what is needed was fetched; holds no slot, but a place among all that fetch."""
    priority, tenant = run.turn.priority, run.turn.key.namespace
    async with run.turn.yielded(), run.engine.fetches.held(priority, tenant):
        await fetch.bring(needs)


async def _holds(held: Desired, fetch: Fetch, run: Run) -> bool:
    """Whether the result still counts: its data keys may be read, its kinds are what they were."""
    if not fetch.recall(held.opened.keys):
        await _brought(Needs(data_keys=held.opened.keys), fetch, run)
        if not fetch.recall(held.opened.keys):
            return False
    run.secrets += held.opened.values
    return await _is_scoped_so(held, run)


def _tell_keys(ks: Kustomization, fetch: Fetch, made: Rendered | Desired, run: Run) -> None:
    """Say which of the keys that decrypted it end, or are not needed."""
    if fetch.opening is not None and not run.is_correction:
        tell_old_keys(ks, fetch.opening, made.opened.keys, run)


def _tell_moving(made: Rendered, run: Run) -> None:
    """Say that the build depends on more than its source."""
    bases, files = made.inputs.moving
    if bases or files:
        urls = ", ".join(sorted(map(without_secrets, bases | files)))
        logger.info(
            "%s is looked up at every reconcile, as no commit is named: %s", run.turn.key, urls
        )


async def scoped(built: Rendered, owner: Owner, discovery: Discovery) -> tuple[Desired, bool]:
    """The objects with their labels, without the namespace of those that have cluster scope.

    kustomize gives a namespace to each kind that it does not know; left there, it would make two
    objects of one, and the one in the inventory would look as if it had left Git.
    The second value is whether the scope of all kinds is known.
    """
    defined = {
        kind_of(each.obj): (each.obj.get("spec") or {}).get("scope") == "Namespaced"
        for each in built.objects
        if each.ref.kind == "CustomResourceDefinition"
    }
    objects: list[Object] = []
    origins: dict[Ref, str] = {}
    scopes: dict[Kind, bool | None] = {}
    for each in built.objects:
        obj, ref = labelled(each.obj, owner), each.ref
        is_namespaced = defined.get((ref.group, ref.kind))
        if ref.namespace and is_namespaced is None:
            asked = ref.group, version_of(each.obj), ref.kind
            if asked not in scopes:
                scopes[asked] = await _is_namespaced(asked, discovery)
            is_namespaced = scopes[asked]
        if ref.namespace and is_namespaced is False:
            metadata = {key: value for key, value in obj["metadata"].items() if key != "namespace"}
            obj = {**obj, "metadata": metadata}
        objects.append(obj)
        origins[Ref.of(obj)] = each.origin
    contents = {Ref.of(obj): content_of(obj) for obj in objects}
    known = {kind: found for kind, found in scopes.items() if found is not None}
    desired = Desired(tuple(objects), origins, built.digest, contents, known, built.opened)
    return desired, len(known) == len(scopes)


async def _is_namespaced(asked: Kind, discovery: Discovery) -> bool | None:
    """None: the kind is not served (applying says so)."""
    try:
        return (await discovery.resource(*asked)).namespaced
    except UnknownKind:
        return None


async def _is_scoped_so(desired: Desired, run: Run) -> bool:
    """Whether the cluster would still give the answers that the result was made with."""
    for asked, is_namespaced in desired.scopes.items():
        if await _is_namespaced(asked, run.reader.discovery) is not is_namespaced:
            return False
    return True


def _check_readable(built: Rendered) -> None:
    """Raises ReconciliationFailed if a Secret is still encrypted: it must not be applied so."""
    problems = [
        f"{each.ref} is SOPS encrypted, configuring decryption is required for this secret to be "
        f"reconciled ({each.origin})"
        for each in built.objects
        if is_refused(each.obj)
    ]
    if problems:
        raise ReconciliationFailed("\n".join(problems[:_TOLD]))
