from random import Random

from engine.objects.ref import Ref
from engine.reconcile.verification import Verification
from tests.support.clock import ManualClock

APP = Ref("k", "Kustomization", "flux", "app")


async def test_a_correction_does_not_put_off_the_regular_look() -> None:
    clock = ManualClock()
    verification = Verification(0, clock, Random(0))
    verification.next_look(APP, 600.0, is_correction=False)
    await clock.advance(400)

    assert verification.next_look(APP, 600.0, is_correction=True) == 200
    await clock.advance(400)
    assert verification.next_look(APP, 600.0, is_correction=True) == 0
    assert verification.next_look(APP, 600.0, is_correction=False) == 600


async def test_the_first_run_of_all_verifies_nothing_and_the_hour_does() -> None:
    clock = ManualClock()
    verification = Verification(3600, clock, Random(0))

    def is_due(*, is_asked: bool = False, is_correction: bool = False) -> bool:
        return verification.is_due(APP, is_asked=is_asked, is_correction=is_correction)

    assert [is_due(), is_due(is_asked=True)] == [False, True]
    await clock.advance(3601)
    assert [is_due(is_correction=True), is_due(), is_due()] == [False, True, False]
