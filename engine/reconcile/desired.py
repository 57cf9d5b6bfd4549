"""The objects that a Kustomization wants: gather variables, render in a worker, label, scope."""

from functools import partial

from engine.api.kustomize import Kustomization, SubstituteReference
from engine.cluster import ApiError, UnknownKind
from engine.errors import BuildFailed, BuildStopped, ReconciliationFailed
from engine.objects.ref import Object, Ref, version_of
from engine.plan.observation import content_of
from engine.plan.policy import Owner, labelled
from engine.reconcile.builds import Desired
from engine.reconcile.run import Run
from engine.reconcile.secrets import values_of
from engine.reconcile.sources import Outdated, source_ref
from engine.render import Lacking, Rendered, RenderedObject, Request
from engine.source.artifact import Artifact


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
    held = builds.held(owner, request, artifact.tree)
    if held is not None:
        return held
    try:
        built = await _built(artifact, request, run)
    except BuildStopped:  # says nothing about the tree
        raise
    except BuildFailed as failure:
        builds.keep_failure(owner, request, artifact.tree, failure)
        run.engine.readers.forget(owner)
        raise
    _check_readable(built)
    marked = Owner(ks.metadata.name, ks.metadata.namespace)
    desired, is_sure = await _scoped(built, marked, run)
    if is_sure:
        builds.keep(owner, request, built.inputs, desired)
        run.engine.readers.keep(owner, source_ref(ks), artifact.tree, built.inputs)
    return desired


async def _built(artifact: Artifact, request: Request, run: Run) -> Rendered:
    """The build, unless something newer asks for another one: then Outdated is raised."""
    builds, owner = run.engine.builds, run.turn.key
    build = partial(run.engine.builders.build, artifact.tree, request, run.turn.priority)
    try:
        if not builds.may_end(owner):
            return await build()
        with run.turn.until_superseded():
            return await build()
        builds.ended(owner)
        raise Outdated(f"{owner} was being built, and is asked for anew")
    except Lacking as lacking:
        raise BuildFailed(
            f"kustomize build failed: remote resources are not fetched by this version of "
            f"Lockstep: {lacking}; copy them into the repository"
        ) from None


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
    is_sure = True
    for each in built.objects:
        obj, ref = labelled(each.obj, owner), each.ref
        is_namespaced = defined.get((ref.group, ref.kind))
        if ref.namespace and is_namespaced is None:
            is_namespaced = await _is_namespaced(each, run)
            is_sure = is_sure and is_namespaced is not None
        if ref.namespace and is_namespaced is False:
            metadata = {key: value for key, value in obj["metadata"].items() if key != "namespace"}
            obj = {**obj, "metadata": metadata}
        objects.append(obj)
        origins[Ref.of(obj)] = each.origin
    contents = {Ref.of(obj): content_of(obj) for obj in objects}
    return Desired(tuple(objects), origins, built.digest, contents), is_sure


async def _is_namespaced(made: RenderedObject, run: Run) -> bool | None:
    """None: the kind is not served (applying says so)."""
    ref, discovery = made.ref, run.client.discovery
    try:
        return (await discovery.resource(ref.group, version_of(made.obj), ref.kind)).namespaced
    except UnknownKind:
        return None


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
