"""`gitops.lockstep/drift`: whether what others change in an object is corrected.

On a Kustomization or, in Git, on an object; the object's own wins.  What is not corrected stays
until the desired object changes.
"""

from enum import StrEnum

from engine.objects.ref import Object
from engine.plan.suspension import is_suspended

ANNOTATION = "gitops.lockstep/drift"


class Tolerance(StrEnum):
    """What drift leads to."""

    CORRECT = "correct"
    WARN = "warn"
    """It is only told, once."""
    IGNORE = "ignore"


def tolerance(desired: Object, kustomization: Object) -> Tolerance:
    """What holds for an object.  Another word than these three is taken for `correct`.

    While the Kustomization is suspended nothing is corrected.
    """
    word = asked(desired) or asked(kustomization)
    found = Tolerance(word) if word in list(Tolerance) else Tolerance.CORRECT
    is_left = found is Tolerance.CORRECT and is_suspended(kustomization)
    return Tolerance.WARN if is_left else found


def asked(obj: Object) -> str:
    """What the annotation says, "" without it."""
    annotations = obj["metadata"].get("annotations") or {}
    return str(annotations.get(ANNOTATION, "")).lower()


def left(content: bytes) -> bytes:
    """Stands for a desired content that was applied, and has drifted since with our consent."""
    return b"left:" + content
