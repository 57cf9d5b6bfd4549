"""The objects that a Kustomization wants: gather variables, render in a worker thread, label."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from anyio import to_thread

from engine.api.kustomize import Kustomization, SubstituteReference
from engine.cluster import ApiError
from engine.errors import BuildFailed, ReconciliationFailed
from engine.objects.ref import Object, Ref
from engine.plan.policy import Owner, labelled
from engine.reconcile.run import Run
from engine.reconcile.secrets import values_of
from engine.render import Lacking, Rendered, Request, render
from engine.source.artifact import Artifact


@dataclass(frozen=True, slots=True)
class Desired:
    """What Git wants, with owner labels; origins: `file:line` by Ref; digest: of the build."""

    objects: tuple[Object, ...]
    origins: Mapping[Ref, str]
    digest: str


async def rendered(artifact: Artifact, ks: Kustomization, run: Run) -> Desired:
    """The build of `spec.path`.  Raises BuildFailed; ReconciliationFailed for what is encrypted."""
    settings = run.engine.settings
    request = Request.of(
        ks,
        await variables_of(ks, run),
        strict=settings.strict_substitutions,
        no_remote_bases=settings.no_remote_bases,
    )
    work = partial(render, artifact.tree, request)
    try:
        built = await to_thread.run_sync(work, limiter=run.engine.builders)
    except Lacking as lacking:
        raise BuildFailed(
            f"kustomize build failed: remote resources are not fetched by this version of "
            f"Lockstep: {lacking}; copy them into the repository"
        ) from None
    _check_readable(built)
    owner = Owner(ks.metadata.name, ks.metadata.namespace)
    objects = tuple(labelled(each.obj, owner) for each in built.objects)
    origins = {each.ref: each.origin for each in built.objects}
    return Desired(objects, origins, built.digest)


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
