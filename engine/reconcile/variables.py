"""The variables of `spec.postBuild`: from ConfigMaps and Secrets, and from the spec itself.

Source: flux-behaviour 4.7.  Flux reads them again for every object of the build; here each is read
once a run.
"""

import hashlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

from engine.api.kustomize import Kustomization, SubstituteReference
from engine.cluster import ApiError
from engine.errors import BuildFailed
from engine.reconcile.run import Run
from engine.reconcile.secrets import Config, config_of

_INLINE = "spec.postBuild.substitute"


@dataclass(frozen=True, slots=True)
class Variables:
    """The values by name, None without `spec.postBuild`.

    looked_in: where they were looked for, for messages: `ConfigMap/ns/name`.
    secret: names of those that a Secret gave.  seal: see `Request`.
    """

    values: Mapping[str, str] | None = field(default=None, repr=False)
    looked_in: tuple[str, ...] = ()
    secret: frozenset[str] = frozenset()
    seal: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class _Source:
    """What one reference gives.  uid: of a Secret."""

    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    is_secret: bool = False
    uid: str = field(default="", repr=False)


Read: TypeAlias = Callable[[str, str, str], Awaitable[Config | None]]
"""A ConfigMap or Secret, by its kind, namespace and name; None: there is none."""


async def variables_of(ks: Kustomization, run: Run) -> Variables:
    """The variables of a Kustomization, each ConfigMap and Secret read once.

    Raises BuildFailed with all that should be there and is not.
    """
    return await gathered(ks, partial(config_of, run=run), run.secrets)


async def gathered(ks: Kustomization, read: Read, secrets: list[str]) -> Variables:
    """The variables of a Kustomization, as `read` finds their values.

    Values that are no UTF-8 text hold surrogates: an error only where one is used.
    secrets: is told the values of Secrets.   Raises BuildFailed with all that should be there and
    is not.
    """
    post_build = ks.spec.post_build
    if post_build is None:
        return Variables()
    known: dict[tuple[str, str], _Source | None] = {}
    problems: list[str] = []
    values: dict[str, str] = {}
    secret: set[str] = set()
    looked_in: list[str] = []
    for reference in post_build.substitute_from:
        what = reference.kind, reference.name
        try:
            if what not in known:
                known[what] = await _source(reference, ks, read, secrets)
            found = known[what]
            source = _required(reference, found, ks)
        except BuildFailed as failure:
            problems.append(str(failure))
            continue
        values |= source.values
        names = source.values.keys()
        secret = secret | names if source.is_secret else secret - names
        where = f"{reference.kind}/{ks.metadata.namespace}/{reference.name}"
        looked_in.append(where if found is not None else f"{where} (not there)")
    if problems:
        raise BuildFailed("\n".join(dict.fromkeys(problems)))
    values |= post_build.substitute
    return Variables(
        {name: _one_line(value) for name, value in values.items()},
        tuple(dict.fromkeys([_INLINE, *looked_in])),
        frozenset(secret - post_build.substitute.keys()),
        _seal(each.uid for each in known.values() if each is not None and each.is_secret),
    )


def _seal(uids: Iterable[str]) -> bytes:
    """What keys the digest of a build; nothing if no Secret was read.

    Not the Secrets' values, as all of them may be weak.
    """
    known = sorted(uids)
    return hashlib.sha256(" ".join(known).encode()).digest() if known else b""


async def _source(
    reference: SubstituteReference, ks: Kustomization, read: Read, secrets: list[str]
) -> _Source | None:
    """What a reference gives, None if there is no such object.  Raises BuildFailed."""
    try:
        found = await read(reference.kind, ks.metadata.namespace, reference.name)
    except ApiError as error:
        raise BuildFailed(f"{_named(reference)} error: {error}") from error
    if found is None:
        return None
    values = {n: value.decode(errors="surrogateescape") for n, value in found.values.items()}
    if reference.kind != "Secret":
        return _Source(values)
    texts = {form for value in values.values() for form in (value, _one_line(value))}
    secrets += filter(_is_text, texts)
    return _Source(values, is_secret=True, uid=found.uid)


def _one_line(value: str) -> str:
    """The value as it is put into a text."""
    return value.replace("\n", "")


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _required(reference: SubstituteReference, found: _Source | None, ks: Kustomization) -> _Source:
    """What was found.  Raises BuildFailed if it is not there, and must be."""
    if found is None and not reference.optional:
        raise BuildFailed(
            f'{_named(reference)} error: {reference.kind} "{reference.name}" not found in '
            f'namespace "{ks.metadata.namespace}"; create it, or set `optional: true` in '
            "spec.postBuild.substituteFrom"
        )
    return found or _Source()


def _named(reference: SubstituteReference) -> str:
    return f"substitute from '{reference.kind}/{reference.name}'"
