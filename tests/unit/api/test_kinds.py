import pytest

from engine.api import KINDS, Kind
from engine.api.meta import KUSTOMIZE_GROUP, NOTIFICATION_GROUP, SOURCE_GROUP


def test_there_are_eleven_kinds() -> None:
    assert len(KINDS) == 11


@pytest.mark.parametrize(
    ("group", "kind", "manager"),
    [
        (KUSTOMIZE_GROUP, "Kustomization", "gotk-kustomize-controller"),
        (SOURCE_GROUP, "GitRepository", "source-controller"),
        (NOTIFICATION_GROUP, "Receiver", "notification-controller"),
    ],
)
def test_statuses_are_written_under_the_names_of_fluxs_managers(
    group: str, kind: str, manager: str
) -> None:
    assert KINDS[group, kind].status_manager == manager


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_what_is_reconciled_has_a_status_and_a_controller(kind: Kind) -> None:
    assert not kind.reconciled or (kind.has_status and kind.controller)
