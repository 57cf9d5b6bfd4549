"""The variables of `spec.postBuild`: from ConfigMaps and Secrets, and from the spec itself.

Source: flux-behaviour 4.7.  Flux reads them again for every object of the build; here each is read
once a run.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from engine.api.kustomize import Kustomization, SubstituteReference
from engine.cluster import ApiError
from engine.errors import BuildFailed
from engine.reconcile.run import Run
from engine.reconcile.secrets import values_of

_INLINE = "spec.postBuild.substitute"


@dataclass(frozen=True, slots=True)
class Variables:
    """The values by name, None without `spec.postBuild`.

    looked_in: where they were looked for, for messages: `ConfigMap/ns/name`.
    """

    values: Mapping[str, str] | None = None
    looked_in: tuple[str, ...] = ()


async def variables_of(ks: Kustomization, run: Run) -> Variables:
    """The variables of a Kustomization, each ConfigMap and Secret read once.

    Values that are no UTF-8 text hold surrogates: an error only where one is used.
    Raises BuildFailed with all that should be there and is not.
    """
    post_build = ks.spec.post_build
    if post_build is None:
        return Variables()
    read: dict[tuple[str, str], Mapping[str, str] | None] = {}
    problems: list[str] = []
    values: dict[str, str] = {}
    looked_in: list[str] = []
    for reference in post_build.substitute_from:
        what = reference.kind, reference.name
        try:
            if what not in read:
                read[what] = await _read(reference, ks, run)
            found = read[what]
            values |= _required(reference, found, ks)
        except BuildFailed as failure:
            problems.append(str(failure))
            continue
        where = f"{reference.kind}/{ks.metadata.namespace}/{reference.name}"
        looked_in.append(where if found is not None else f"{where} (not there)")
    if problems:
        raise BuildFailed("\n".join(dict.fromkeys(problems)))
    values |= post_build.substitute
    given = {name: _one_line(value) for name, value in values.items()}
    return Variables(given, tuple(dict.fromkeys([_INLINE, *looked_in])))


async def _read(
    reference: SubstituteReference, ks: Kustomization, run: Run
) -> Mapping[str, str] | None:
    """The values by key, None if there is no such object.  Raises BuildFailed."""
    try:
        found = await values_of(reference.kind, ks.metadata.namespace, reference.name, run)
    except ApiError as error:
        raise BuildFailed(f"{_named(reference)} error: {error}") from error
    if found is None:
        return None
    values = {name: value.decode(errors="surrogateescape") for name, value in found.items()}
    if reference.kind == "Secret":
        texts = {form for value in values.values() for form in (value, _one_line(value))}
        run.secrets += filter(_is_text, texts)
    return values


def _one_line(value: str) -> str:
    """The value as it is put into a text."""
    return value.replace("\n", "")


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _required(
    reference: SubstituteReference, found: Mapping[str, str] | None, ks: Kustomization
) -> Mapping[str, str]:
    """What was found.  Raises BuildFailed if it is not there, and must be."""
    if found is None and not reference.optional:
        raise BuildFailed(
            f'{_named(reference)} error: {reference.kind} "{reference.name}" not found in '
            f'namespace "{ks.metadata.namespace}"; create it, or set `optional: true` in '
            "spec.postBuild.substituteFrom"
        )
    return found or {}


def _named(reference: SubstituteReference) -> str:
    return f"substitute from '{reference.kind}/{reference.name}'"
