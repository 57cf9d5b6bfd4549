"""What is known of an object goes with it: here stand all who keep something under its name.

Called when its watch tells that it is gone, and when a run ends that has outlived it: what that
still noted would stay for ever, as nobody tells of the object again.
"""

from engine.objects.ref import Ref
from engine.reconcile.run import Engine


def forget(ref: Ref, engine: Engine) -> None:
    """An object of Flux's kinds is gone, or was not ours to look after any more."""
    engine.clusters.forget(ref)
    engine.verification.forget(ref)
    engine.reservations.gone(ref)
    engine.builds.forget(ref)
    engine.readers.forget(ref)
    engine.configs.forget(ref)
    engine.hooks.forget(ref)
    engine.requests.forget(ref)
    engine.suspensions.forget(ref)
    engine.tokens.forget(ref)
    engine.orderly.forget(ref)
    engine.artifacts.forget(ref)
    engine.key_needs.forget(ref)
    engine.metrics.forget(ref.kind, ref.namespace, ref.name)
