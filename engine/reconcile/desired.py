"""The objects that a Kustomization wants: gather variables, render in a worker thread, label."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from anyio import to_thread

from engine.api.kustomize import Kustomization, SubstituteReference
from engine.errors import BuildFailed, ReconciliationFailed
from engine.objects.ref import Object, Ref
from engine.plan.policy import Owner, labelled
from engine.reconcile.run import Run
from engine.reconcile.secrets import values_of
from engine.reconcile.sources import clean_path
from engine.render import Rendered, Request, render
from engine.source.artifact import Artifact


@dataclass(frozen=True, slots=True)
class Desired:
    """What Git wants, with owner labels; origins: `file:line` by Ref; digest: of the build."""

    objects: tuple[Object, ...]
    origins: Mapping[Ref, str]
    digest: str


async def rendered(artifact: Artifact, ks: Kustomization, run: Run) -> Desired:
    """The build of `spec.path`.  Raises BuildFailed; ReconciliationFailed for what is encrypted."""
    request = request_of(ks, await variables_of(ks, run), run)
    built = await to_thread.run_sync(
        partial(render, artifact.tree, request), limiter=run.engine.builders
    )
    _check_readable(built)
    owner = Owner(ks.metadata.name, ks.metadata.namespace)
    objects = tuple(labelled(each.obj, owner) for each in built.objects)
    origins = {Ref.of(each.obj): each.origin for each in built.objects}
    return Desired(objects, origins, built.digest)


def request_of(ks: Kustomization, variables: Mapping[str, str] | None, run: Run) -> Request:
    """What to build, and how."""
    spec, settings = ks.spec, run.engine.settings
    always = spec.post_build is not None and spec.post_build.substitute_strategy == "Always"
    return Request(
        path=clean_path(spec.path),
        target_namespace=spec.target_namespace,
        name_prefix=spec.name_prefix,
        name_suffix=spec.name_suffix,
        patches=spec.patches,
        images=spec.images,
        components=spec.components,
        ignore_missing_components=spec.ignore_missing_components,
        build_metadata=spec.build_metadata,
        common_metadata=spec.common_metadata,
        variables=variables,
        substitute_always=always,
        strict=settings.strict_substitutions,
        no_remote_bases=settings.no_remote_bases,
        name=ks.metadata.name,
        namespace=ks.metadata.namespace,
    )


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
    found = await values_of(reference.kind, namespace, reference.name, run)
    if found is None:
        if reference.optional:
            return {}
        raise BuildFailed(
            f"substitute from '{reference.kind}/{reference.name}' error: "
            f'{reference.kind} "{reference.name}" not found in namespace "{namespace}"; '
            "create it, or set `optional: true` in spec.postBuild.substituteFrom"
        )
    try:
        return {name: value.decode() for name, value in found.items()}
    except UnicodeDecodeError:
        raise BuildFailed(
            f"substitute from '{reference.kind}/{reference.name}' error: a value is not UTF-8 text"
        ) from None


def _check_readable(built: Rendered) -> None:
    """Raises ReconciliationFailed if a Secret is still encrypted: it must not be applied so."""
    for each in built.objects:
        if each.encrypted:
            raise ReconciliationFailed(
                f"{Ref.of(each.obj)} is SOPS encrypted, configuring decryption is required for "
                f"this secret to be reconciled ({each.origin}); decryption is not part of this "
                "version of Lockstep yet"
            )
