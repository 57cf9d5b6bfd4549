"""What the API server refused, in the words of Flux's messages."""

from engine.cluster import ApiError, Forbidden, NotFound
from engine.errors import Failure
from engine.objects.ref import Ref

_IMMUTABLE = ("is immutable", "immutable field", "field is immutable")


def refused(ref: Ref, error: Exception, verb: str, origin: str) -> str:
    """One line for one object: what, why, where in Git, and what to do.

    verb: "dry-run", "apply" or "delete".  origin: `file:line` of the desired object or "".
    """
    where = f" ({origin})" if origin else ""
    if isinstance(error, Failure):
        return error.message
    if not isinstance(error, ApiError):
        return f"{ref} {verb} failed: {error}{where}"
    if isinstance(error, NotFound) and "namespace" in error.message.lower():
        hint = f"create the Namespace '{ref.namespace}' or put it into the same Kustomization"
        return f"{ref} {verb} failed ({error.reason}): {error.message}{where}; {hint}"
    text = f"{ref} {verb} failed ({error.reason}): {error.message}{where}"
    if isinstance(error, Forbidden):
        return f"{text}; grant the missing rule to the service account that applies"
    return text


def is_immutable(error: Exception) -> bool:
    """Whether only deleting and creating anew can bring the change.

    Source: fluxcd/pkg ssa errors (status Conflict or Invalid, or the text).
    """
    if not isinstance(error, ApiError):
        return False
    return any(text in error.message for text in _IMMUTABLE)
