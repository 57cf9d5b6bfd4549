"""What a Kustomization decrypts with: the keys of its Secret, and who it is for key services.

Read at each run that builds or corrects: a Secret that is gone, or holds other keys, counts at
once.  Source: flux-behaviour 4.6.
"""

import hashlib
from collections.abc import Mapping

from engine.api.kustomize import Kustomization
from engine.cluster import ApiError
from engine.errors import BuildFailed, FeatureGateDisabled
from engine.plugin import KeyRing, ServiceAccount
from engine.reconcile.opening import Means, Opening
from engine.reconcile.run import Run
from engine.reconcile.secrets import values_of
from engine.render import Decrypting

_AGE = ".agekey"
"""Ending of the keys of the global Secret that are read; no others are (flux-behaviour 4.6)."""


async def opening_of(ks: Kustomization, run: Run) -> Opening | None:
    """What opens the data keys of the Kustomization, None if it does not decrypt.

    Raises BuildFailed if its Secret cannot be read, FeatureGateDisabled.
    """
    if ks.spec.decryption is None:
        return None
    engine = run.engine
    return Opening(await _means(ks, run), engine.plugins.decryptors, run.context, engine.data_keys)


def decrypting(opening: Opening | None, run: Run) -> Decrypting | None:
    """The same for the request."""
    if opening is None:
        return None
    return Decrypting(opening.means.fingerprint, run.engine.settings.sops_verify_mac)


async def _means(ks: Kustomization, run: Run) -> Means:
    account = _account(ks, run)
    namespace, name, is_own = _secret(ks, run)
    values: Mapping[str, bytes] = {}
    if name:
        values = await _read(namespace, name, run, is_own=is_own)
        run.secrets += (value.decode(errors="replace") for value in values.values())
    told = f"Secret '{namespace}/{name}' ({', '.join(sorted(values)) or 'empty'})" if name else ""
    if account is not None:
        told += f"{' or ' if told else ''}ServiceAccount '{account.namespace}/{account.name}'"
    return Means(
        KeyRing(values, account),
        told or "the engine itself",
        _fingerprint(ks.metadata.namespace, values, account),
    )


def _account(ks: Kustomization, run: Run) -> ServiceAccount | None:
    settings = run.engine.settings
    asked = ks.spec.decryption.service_account_name if ks.spec.decryption else ""
    if asked and not settings.object_level_workload_identity:
        raise FeatureGateDisabled(
            "spec.decryption.serviceAccountName needs --object-level-workload-identity "
            "(LOCKSTEP_OBJECT_LEVEL_WORKLOAD_IDENTITY), Flux's gate ObjectLevelWorkloadIdentity"
        )
    name = asked or settings.default_decryption_service_account
    return ServiceAccount(ks.metadata.namespace, name) if name else None


def _secret(ks: Kustomization, run: Run) -> tuple[str, str, bool]:
    """(namespace, name, whether it is the Kustomization's own); no name: there is none."""
    settings = run.engine.settings
    reference = ks.spec.decryption.secret_ref if ks.spec.decryption else None
    if reference is not None:
        return ks.metadata.namespace, reference.name, True
    namespace, _, name = settings.sops_age_secret.rpartition("/")
    return namespace or settings.runtime_namespace, name, False


async def _read(namespace: str, name: str, run: Run, *, is_own: bool) -> Mapping[str, bytes]:
    which = "sops decryption Secret" if is_own else "SOPS age decryption Secret"
    where = "spec.decryption.secretRef" if is_own else "--sops-age-secret"
    try:
        found = await values_of("Secret", namespace, name, run)
    except ApiError as error:
        raise BuildFailed(f"cannot get {which} '{namespace}/{name}': {error}") from error
    if found is None:
        raise BuildFailed(
            f"cannot get {which} '{namespace}/{name}': not found; create it, or correct {where}"
        )
    return found if is_own else {key: found[key] for key in found if key.endswith(_AGE)}


def _fingerprint(
    namespace: str, values: Mapping[str, bytes], account: ServiceAccount | None
) -> str:
    """Names the keys and whose they are; tells nothing of them."""
    digest = hashlib.blake2b(digest_size=16)
    name = account.name if account is not None else ""
    for part in (namespace.encode(), name.encode(), *_parts(values)):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _parts(values: Mapping[str, bytes]) -> list[bytes]:
    return [part for key in sorted(values) for part in (key.encode(), values[key])]
