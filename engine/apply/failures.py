"""What the API server refused, in the words of Flux's messages."""

from collections.abc import Mapping

from engine.cluster import ApiError, Forbidden, Invalid, NotFound
from engine.cluster.errors import is_outdated
from engine.errors import Failure
from engine.objects.redact import mask, secrets_of
from engine.objects.ref import Object, Ref

_IMMUTABLE = ("is immutable", "immutable field")
_HOLDING = ("PersistentVolumeClaim", "PersistentVolume", "Namespace", "CustomResourceDefinition")
"""Kinds that nobody is told to delete: data, or other objects, would go with them."""
_OLD_VERSION = ("invalid group/version", "field not declared in schema")


def refused(
    ref: Ref,
    error: Exception,
    verb: str,
    origin: str = "",
    obj: Object | None = None,
    *,
    forced: bool = False,
) -> str:
    """One line for one object: what, why, where in Git, and what to do.

    verb: "dry-run", "apply" or "delete".  origin: see `placed`.
    obj: that object; where it is a Secret, its values do not show.
    forced: it is made anew already where that helps.
    """
    text = _said(ref, error, verb, f" ({origin})" if origin else "")
    if not forced and ref.kind not in _HOLDING and _is_for_good(error):
        text += (
            "; to delete it and make it anew, annotate it with "
            "kustomize.toolkit.fluxcd.io/force: enabled, or set spec.force for all"
        )
    return text if obj is None or ref.kind != "Secret" else mask(text, secrets_of(obj))


def placed(origin: str, places: Mapping[str, str]) -> str:
    """Where to look: `file:line` of the fields that were refused, else the object's own.

    origin: the object's.  places: of fields, by their paths.
    """
    of_fields = [f"{place}: {path[1:]}" for path, place in places.items() if place != origin]
    return ", ".join(of_fields) or origin


def no_namespace(ref: Ref, origin: str) -> str:
    """The line for an object whose kind wants a namespace."""
    where = f" ({origin})" if origin else ""
    return (
        f"{ref} namespace not specified{where}: set metadata.namespace there, or "
        "spec.targetNamespace on the Kustomization"
    )


def is_immutable(error: Exception) -> bool:
    """Whether only deleting and creating anew might bring the change.

    Source: fluxcd/pkg ssa errors (status Invalid, or the text of a webhook or a CEL rule).
    """
    if not isinstance(error, ApiError) or is_outdated(error):
        return False
    return isinstance(error, Invalid) or any(text in error.message for text in _IMMUTABLE)


def is_of_old_version(error: ApiError) -> bool:
    """Whether the API server may be unable to read in which version somebody wrote the object.

    1. A version that its definition has dropped.  2. One without a field that a newer one defaults.
    Source: apiextensions-apiserver conversion; fluxcd/pkg ssa (MigrateAPIVersion).
    """
    return any(text in error.message for text in _OLD_VERSION)


def _is_for_good(error: Exception) -> bool:
    """Whether it says that a field cannot be changed."""
    return isinstance(error, Invalid) and any(each in error.message for each in _IMMUTABLE)


def _said(ref: Ref, error: Exception, verb: str, where: str) -> str:
    if isinstance(error, Failure):
        return error.message
    if not isinstance(error, ApiError):
        return f"{ref} {verb} failed: {error}{where}"
    reason = f" ({error.reason})" if error.reason else ""
    text = f"{ref} {verb} failed{reason}: {error.message}{where}"
    if isinstance(error, NotFound) and "namespace" in error.message.lower():
        return (
            f"{text}; create the Namespace '{ref.namespace}' or put it into the same Kustomization"
        )
    if isinstance(error, Forbidden):
        return f"{text}; grant the missing rule to the service account that applies"
    return text
