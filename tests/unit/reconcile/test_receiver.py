"""What is wrong with a Receiver before anybody calls it."""

import pytest

from engine.api.meta import LocalReference
from engine.api.notification import ReceiverResource, ReceiverSpec
from engine.errors import ValidationFailed
from engine.reconcile.receiver import check


def spec(entries: int) -> ReceiverSpec:
    entry = ReceiverResource(kind="GitRepository", name="*", match_labels={"a": "b"})
    return ReceiverSpec(
        type="generic", resources=(entry,) * entries, secret_ref=LocalReference(name="token")
    )


def test_a_receiver_of_more_entries_than_a_call_can_look_through_is_refused() -> None:
    check(spec(1000))

    with pytest.raises(ValidationFailed, match="more than 1000 entries: name several objects by"):
        check(spec(1001))
