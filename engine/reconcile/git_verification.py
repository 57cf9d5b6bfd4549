"""Which signatures a GitRepository demands, and what is said of those that were checked.

The keys are read and the signatures checked in every run: a key that was taken out of the Secret,
revoked or has expired counts at the next one, whether the revision is new or not.
Source: flux-behaviour 3.3 and 3.4, source-controller verifySignature.
"""

from engine.api.meta import SOURCE_VERIFIED, SUCCEEDED
from engine.api.source import GitRepository
from engine.cluster import ApiError
from engine.reconcile.run import Run
from engine.reconcile.secrets import values_of
from engine.source.failures import VerificationError
from engine.source.verify import Trust
from engine.status.conditions import condition, find, with_condition, without_conditions


async def trust_of(repository: GitRepository, run: Run) -> Trust | None:
    """Whose signatures count; None: nobody's is needed.  Raises VerificationError."""
    wanted, namespace = repository.spec.verify, repository.metadata.namespace
    if wanted is None:
        return None
    name = wanted.secret_ref.name
    try:
        data = await values_of("Secret", namespace, name, run)
    except ApiError as error:
        raise VerificationError(f"public keys secret error: {error}") from error
    if data is None:
        raise VerificationError(
            f'public keys secret error: secrets "{name}" not found in namespace "{namespace}": '
            "create it, or correct spec.verify.secretRef.name"
        )
    return Trust.of(wanted.mode, data, run.engine.clock.wall())


def note_verified(message: str, trust: Trust | None, run: Run) -> None:
    """Say in the status what was verified; nothing where nothing had to be."""
    conditions = run.status.get("conditions") or []
    if trust is None:
        run.status["conditions"] = without_conditions(conditions, SOURCE_VERIFIED)
        run.status.pop("sourceVerificationMode", None)
        return
    before = find(run.given.get("status", {}).get("conditions") or [], SOURCE_VERIFIED) or {}
    generation = run.given["metadata"].get("generation", 0)
    new = condition(SOURCE_VERIFIED, "True", SUCCEEDED, message, generation, run.engine.now())
    run.status["conditions"] = with_condition(conditions, new)
    run.status["sourceVerificationMode"] = trust.mode
    if (before.get("status"), before.get("message")) != ("True", message):
        run.emit("Trace", SUCCEEDED, message)


def without_old_refusal(run: Run) -> None:
    """Forget that a signature was refused: it is judged anew.  A success stays until then."""
    conditions = run.status.get("conditions") or []
    found = find(conditions, SOURCE_VERIFIED)
    if found is not None and found.get("status") == "False":
        run.status["conditions"] = without_conditions(conditions, SOURCE_VERIFIED)
