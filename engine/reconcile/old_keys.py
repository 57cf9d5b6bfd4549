"""Decryption keys that end, or that no file needs any more: an event says so, once.

What no file needs is judged for a Secret as a whole: all Kustomizations that name it must have
been built, as one of them may need what the others do not.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from engine.api.kustomize import Kustomization
from engine.api.meta import KUSTOMIZE_GROUP
from engine.objects.ref import Object, Ref
from engine.reconcile.opening import Opening
from engine.reconcile.run import Run
from engine.render import SealedKey
from engine.telemetry import logger

ENDING: Final = "DecryptionKeyEnding"
ENDED: Final = "DecryptionKeyEnded"
UNUSED: Final = "DecryptionKeyUnused"
SOON: Final = 30 * 86_400.0
"""Seconds before its end at which a key is due to be renewed."""


def tell_old_keys(
    ks: Kustomization, opening: Opening, used: Collection[SealedKey], run: Run
) -> None:
    """Warn of keys that end within 30 days, and of those in the Secret that no file needs.

    used: what the build has decrypted.
    """
    keys = {key for sealed in used for group in sealed.metadata.groups for key in group}
    recipients = frozenset(" ".join(key.recipient.split()[:2]) for key in keys)  # SSH: no comment
    kinds = frozenset(key.kind for key in keys)
    for reason, name, message in _ends(opening, kinds, recipients, run.engine.clock.wall()):
        _tell(reason, name, message, opening, run)
    for name in _unused(ks, opening, recipients, run):
        message = (
            f"age key {name} of {opening.means.told} is not needed: no file is encrypted for it; "
            "take it out of the Secret if it was rotated out, or encrypt files for it if it is "
            "new (lockstep secrets rotate --add)"
        )
        _tell(UNUSED, name, message, opening, run)


def _tell(reason: str, name: str, message: str, opening: Opening, run: Run) -> None:
    if run.engine.key_needs.is_news(reason, name, opening.means.told):
        logger.warning("%s: %s: %s", run.turn.key, reason, message)
        run.emit("Warning", reason, message, run.told)


def _ends(
    opening: Opening, kinds: frozenset[str], used: frozenset[str], now: float
) -> Iterator[tuple[str, str, str]]:
    """(reason, key, message) for each key of the ring that files need."""
    ring = opening.means.ring
    opens = opening.decryptors
    ends = {
        name: at for kind in kinds if kind in opens for name, at in opens[kind].ends(ring).items()
    }
    for name, at in sorted(ends.items()):
        if name not in used or at - now >= SOON:
            continue
        day = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
        has_ended = at <= now
        verb = "ended" if has_ended else "ends"
        message = (
            f"OpenPGP key {name} of {opening.means.told} {verb} on {day}: files are still "
            "decrypted, but gpg and sops encrypt nothing for a key that has ended; extend it, or "
            "move to another one (lockstep secrets rotate)"
        )
        yield (ENDED if has_ended else ENDING), name, message


def _unused(ks: Kustomization, opening: Opening, recipients: frozenset[str], run: Run) -> list[str]:
    """The age keys of the Secret that none of its users needs; none as long as that is unsure.

    OpenPGP keys are left out: one of a key's many fingerprints stands in a file.
    """
    decryption = ks.spec.decryption
    if decryption is None or decryption.secret_ref is None or "age" not in opening.decryptors:
        return []
    secret = ks.metadata.namespace, decryption.secret_ref.name
    held = opening.decryptors["age"].held(opening.means.ring)

    def users() -> list[Ref]:
        everybody = run.engine.mirror.of_kind(KUSTOMIZE_GROUP, "Kustomization")
        return [Ref.of(each) for each in everybody if _secret_of(each) == secret]

    return sorted(run.engine.key_needs.unused(secret, run.turn.key, recipients, held, users))


def _secret_of(obj: Object) -> tuple[str, str]:
    """(namespace, name) of a Kustomization's decryption Secret; the name may be ""."""
    decryption = (obj.get("spec") or {}).get("decryption")
    reference = decryption.get("secretRef") if isinstance(decryption, Mapping) else None
    name = reference.get("name") if isinstance(reference, Mapping) else ""
    return str(obj["metadata"].get("namespace", "")), str(name or "")
