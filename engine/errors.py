"""What can go wrong in a stage: a class a reason, the class name being the condition's reason.

Where Flux has one reason for several things, the class says which: `class X(Failure, reason="Y")`.

A stage raises; `reconcile/lifecycle.py` alone turns a Failure into conditions, an event and a
requeue.  Reasons and their effects: Flux's conditions (pkg/apis/meta, kustomize- and
source-controller).
"""

from typing import ClassVar


class Failure(Exception):
    """A reconcile that cannot go on, and what its object will say about it.

    The text reads "what: where: detail", quotes values and never holds a secret.
    """

    terminal: ClassVar[bool] = False
    """True: trying again is useless until the object itself changes (Stalled)."""

    reason: ClassVar[str] = "Failed"
    """The condition's reason; a subclass has its own name unless it says otherwise."""

    event: ClassVar[bool] = True
    """False: expected while things start up, so no Warning event is written."""

    event_type: ClassVar[str] = "Warning"
    """Type of that event: Normal for a wait that is expected."""

    def __init_subclass__(cls, *, reason: str = "") -> None:
        """Give the class its reason."""
        super().__init_subclass__()
        cls.reason = reason or cls.__name__

    def __init__(self, message: str, *, retry_after: float | None = None, told: str = "") -> None:
        """Keep the text.

        retry_after: seconds until the next try, None = the object's own.  told: text of the event
        where it is another than that of the condition.
        """
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after
        self.told = told or message


class Failed(Failure):
    """The engine has a bug: tried again, as it may not meet it the next time."""


class Malformed(Failure, reason="Failed"):
    """The object is not what its kind demands."""

    terminal = True


class ArtifactFailed(Failure):
    """The source's artifact is missing or could not be fetched or verified."""


class FolderLost(ArtifactFailed, reason="ArtifactFailed"):
    """`spec.path` is not in the revision that the source holds."""


class ArtifactPending(ArtifactFailed, reason="ArtifactFailed"):
    """The source, or its artifact, does not exist yet: a wait, not an error."""

    event = False


class AccessDenied(Failure):
    """A reference that tenancy forbids."""

    terminal = True


class DependencyNotReady(Failure):
    """An object that this one depends on is not ready at the wanted revision."""

    event_type = "Normal"


class BuildFailed(Failure):
    """The manifests could not be built; nothing was applied and nothing is pruned."""


class BuildStopped(BuildFailed, reason="BuildFailed"):
    """A build was ended from outside, by a limit or by chance: it may go well the next time."""


class ReconciliationFailed(Failure):
    """The API server refused something; the message lists every object refused."""


class ClusterSilent(ReconciliationFailed, reason="ReconciliationFailed"):
    """Another cluster gives no answer: the Kustomization waits until it does."""


class ClusterStillSilent(ClusterSilent, reason="ReconciliationFailed"):
    """The same, told before."""

    event = False


class OverwriteHeld(ReconciliationFailed, reason="ReconciliationFailed"):
    """What others changed while a cluster was out of reach is not overwritten yet."""


class OverwriteStillHeld(OverwriteHeld, reason="ReconciliationFailed"):
    """The same, told before."""

    event = False


class PruneFailed(Failure):
    """Something that left Git could not be deleted, or was held back by the brake."""


class PrunePending(PruneFailed, reason="PruneFailed"):
    """The objects of a deleted Kustomization wait for others before they go: a wait, no error."""

    event_type = "Normal"


class HealthCheckFailed(Failure):
    """What was applied did not become healthy in time, or failed."""


class HealthCheckCanceled(Failure):
    """Something newer arrived while waiting for health."""

    event_type = "Normal"


class InvalidCELExpression(Failure):
    """A CEL expression of the spec does not compile or has the wrong type."""

    terminal = True


class TokenNotFound(Failure):
    """The Secret with a Receiver's token, or the token in it, is missing."""


class ValidationFailed(Failure):
    """A Receiver asks for what does not fit together, or is not supported."""

    terminal = True


class FeatureGateDisabled(Failure):
    """The spec asks for something that a gate keeps off."""

    terminal = True
