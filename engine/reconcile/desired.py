"""The objects that a Kustomization wants: gather variables, render in a worker, label, scope."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from engine.api.kustomize import Kustomization, SubstituteReference
from engine.cluster import ApiError, UnknownKind
from engine.errors import BuildFailed, BuildStopped, ReconciliationFailed
from engine.objects.ref import Object, Ref, version_of
from engine.plan.observation import content_of
from engine.plan.policy import Owner, labelled
from engine.reconcile.builder import Job
from engine.reconcile.builds import Desired, Kind
from engine.reconcile.remotes import Fetch, built, secrets_in_urls, urls_of
from engine.reconcile.run import Run
from engine.reconcile.secrets import values_of
from engine.reconcile.sources import Outdated, source_ref
from engine.render import Needs, Rendered, Request
from engine.source.artifact import Artifact
from engine.source.transport import without_secrets
from engine.telemetry import logger

T = TypeVar("T")


async def rendered(artifact: Artifact, ks: Kustomization, run: Run) -> Desired:
    """The build of `spec.path`, from memory if nothing that it reads has changed.

    Raises BuildFailed; ReconciliationFailed for what is encrypted.
    """
    settings, builds, owner = run.engine.settings, run.engine.builds, run.turn.key
    request = Request.of(
        ks,
        await variables_of(ks, run),
        strict=settings.strict_substitutions,
        no_remote_bases=settings.no_remote_bases,
    )
    moving = Needs() if run.is_correction else builds.moving(owner, request, artifact.tree)
    run.built = Job(artifact.tree, request)
    held = builds.held(owner, request, artifact.tree) if not moving else None
    if held is not None and await _is_scoped_so(held, run):
        return held
    fetch = Fetch(run.engine.depot.bases, ks.timeout, "spec.timeout")
    try:
        made = await _unless_superseded(partial(_built, artifact, request, moving, fetch, run), run)
    except BuildStopped:  # says nothing about the tree
        raise
    except BuildFailed as failure:
        if urls_of(fetch.got):
            builds.note_failure(owner)
        else:
            builds.keep_failure(owner, request, artifact.tree, failure)
        run.engine.readers.forget(owner)
        raise
    finally:
        run.secrets += secrets_in_urls(urls_of(fetch.got))
    if isinstance(made, Desired):
        return made
    run.built = Job(artifact.tree, request, fetch.got)
    _check_readable(made)
    marked = Owner(ks.metadata.name, ks.metadata.namespace)
    desired, is_sure = await _scoped(made, marked, run)
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
    """The build; the last one if what is `moving` stands where it stood.

    No slot is held while something is fetched.
    """

    async def bring(needs: Needs) -> None:
        async with run.turn.yielded():
            await fetch.bring(needs)

    if moving:
        await bring(moving)
        held = run.engine.builds.held(run.turn.key, request, artifact.tree, fetch.got)
        if held is not None and await _is_scoped_so(held, run):
            return held
    build = run.engine.builders.build
    return await built(
        lambda remotes: build(artifact.tree, request, run.turn.priority, remotes), fetch, bring
    )


def _tell_moving(made: Rendered, run: Run) -> None:
    """Say that the build depends on more than its source."""
    bases, files = made.inputs.moving
    if bases or files:
        urls = ", ".join(sorted(map(without_secrets, bases | files)))
        logger.info(
            "%s is looked up at every reconcile, as no commit is named: %s", run.turn.key, urls
        )


async def _scoped(built: Rendered, owner: Owner, run: Run) -> tuple[Desired, bool]:
    """The objects with their labels, without the namespace of those that have cluster scope.

    kustomize gives a namespace to each kind that it does not know; left there, it would make two
    objects of one, and the one in the inventory would look as if it had left Git.
    The second value is whether the scope of all kinds is known.
    """
    defined = {
        (spec["group"], spec["names"]["kind"]): spec.get("scope") == "Namespaced"
        for each in built.objects
        if each.ref.kind == "CustomResourceDefinition" and (spec := each.obj.get("spec") or {})
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
                scopes[asked] = await _is_namespaced(asked, run)
            is_namespaced = scopes[asked]
        if ref.namespace and is_namespaced is False:
            metadata = {key: value for key, value in obj["metadata"].items() if key != "namespace"}
            obj = {**obj, "metadata": metadata}
        objects.append(obj)
        origins[Ref.of(obj)] = each.origin
    contents = {Ref.of(obj): content_of(obj) for obj in objects}
    known = {kind: found for kind, found in scopes.items() if found is not None}
    desired = Desired(tuple(objects), origins, built.digest, contents, known)
    return desired, len(known) == len(scopes)


async def _is_namespaced(asked: Kind, run: Run) -> bool | None:
    """None: the kind is not served (applying says so)."""
    try:
        return (await run.client.discovery.resource(*asked)).namespaced
    except UnknownKind:
        return None


async def _is_scoped_so(desired: Desired, run: Run) -> bool:
    """Whether the cluster would still give the answers that the result was made with."""
    for asked, is_namespaced in desired.scopes.items():
        if await _is_namespaced(asked, run) is not is_namespaced:
            return False
    return True


async def variables_of(ks: Kustomization, run: Run) -> dict[str, str] | None:
    """The variables of `spec.postBuild`, None without it; each ConfigMap and Secret read once.

    Raises BuildFailed if one that must be there is missing.
    """
    post_build = ks.spec.post_build
    if post_build is None:
        return None
    variables: dict[str, str] = {}
    for reference in post_build.substitute_from:
        variables |= await _read(reference, ks, run)
    variables |= post_build.substitute
    return {name: value.replace("\n", "") for name, value in variables.items()}


async def _read(reference: SubstituteReference, ks: Kustomization, run: Run) -> dict[str, str]:
    namespace = ks.metadata.namespace
    try:
        found = await values_of(reference.kind, namespace, reference.name, run)
    except ApiError as error:
        raise BuildFailed(
            f"substitute from '{reference.kind}/{reference.name}' error: {error}"
        ) from error
    if found is None:
        if reference.optional:
            return {}
        raise BuildFailed(
            f"substitute from '{reference.kind}/{reference.name}' error: "
            f'{reference.kind} "{reference.name}" not found in namespace "{namespace}"; '
            "create it, or set `optional: true` in spec.postBuild.substituteFrom"
        )
    try:
        variables = {name: value.decode() for name, value in found.items()}
    except UnicodeDecodeError:
        raise BuildFailed(
            f"substitute from '{reference.kind}/{reference.name}' error: a value is not UTF-8 text"
        ) from None
    if reference.kind == "Secret":
        run.secrets += variables.values()
    return variables


def _check_readable(built: Rendered) -> None:
    """Raises ReconciliationFailed if a Secret is still encrypted: it must not be applied so."""
    for each in built.objects:
        if each.encrypted:
            raise ReconciliationFailed(
                f"{each.ref} is SOPS encrypted, configuring decryption is required for "
                f"this secret to be reconciled ({each.origin}); decryption is not part of this "
                "version of Lockstep yet"
            )
