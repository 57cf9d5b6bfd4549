"""What an entry of a Receiver means."""

from typing import Any

import pytest

from engine.api.notification import ReceiverResource
from engine.errors import ValidationFailed
from engine.reconcile.receiver_targets import targets_of


async def test_a_kind_that_is_not_known_wants_its_api_version() -> None:
    entry = ReceiverResource(kind="Ticket", name="a")
    unused: Any = None

    with pytest.raises(ValidationFailed, match="apiVersion must be specified for kind 'Ticket'"):
        await targets_of(0, entry, "flux-system", unused, unused)
