import pytest

from tests.support.scripted_api import ScriptedApi, json
from tests.unit.cli.conftest import Lockstep
from tests.unit.cli.test_reconcile import KS, obj


@pytest.fixture(autouse=True)
def apps(api: ScriptedApi) -> None:
    api.on("GET", f"{KS}/apps", json(obj("Kustomization", "apps")))
    api.on("DELETE", f"{KS}/apps", json({"kind": "Status"}))


async def test_where_nobody_can_be_asked_nothing_is_deleted(
    api: ScriptedApi, lockstep: Lockstep
) -> None:
    ended = await lockstep("delete", "ks", "apps")

    assert (ended.status, ended.err) == (
        1,
        "Error: aborting: nobody can be asked here; give --silent\n",
    )
    assert not api.asked("DELETE")


async def test_only_the_object_that_was_looked_at_is_deleted(
    api: ScriptedApi, lockstep: Lockstep
) -> None:
    ended = await lockstep("delete", "kustomization", "apps", "-s")

    assert ended.out == "✔ kustomization deleted\n"
    (seen,) = api.asked("DELETE")
    assert seen.body["preconditions"] == {"uid": "apps"}


async def test_what_others_make_is_not_deleted(api: ScriptedApi, lockstep: Lockstep) -> None:
    ended = await lockstep("delete", "source", "external", "x", "-s")

    assert ended.status == 1
    assert "is made by something else" in ended.err


async def test_one_name_is_needed(lockstep: Lockstep) -> None:
    assert (await lockstep("delete", "ks", "-s")).status == 2
