from typing import Any

import pytest

from engine.apply import apply
from engine.cluster import ApiError
from engine.errors import ReconciliationFailed
from engine.objects.ref import Ref
from tests.support.build import config
from tests.support.executing import MANAGER, applied, executor, plan_for
from tests.support.memory_client import MemoryClient

A = Ref("", "ConfigMap", "ns", "a")
OLD = ApiError(
    500, "InternalError", "request to convert CR to an invalid group/version: example.com/v1beta1"
)


def written(version: str) -> dict[str, Any]:
    """A live object whose only writer wrote in that version."""
    fields = {"f:data": {"f:x": {}, "f:y": {}}}
    entry = {
        "manager": MANAGER,
        "operation": "Apply",
        "apiVersion": version,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }
    return config("a", data={"x": "1"}, managedFields=[entry])


async def test_an_update_refused_for_a_version_that_is_gone_is_made_after_a_migration() -> None:
    client = MemoryClient(written("v1beta1"))
    client.refuse("dry-run ConfigMap/ns/a", OLD)

    changes = await applied(client, config("a", data={"x": "2"}))

    assert str(changes) == "ConfigMap/ns/a configured"
    assert client.writes() == ["json-patch ConfigMap/ns/a", "apply ConfigMap/ns/a"]
    assert client.objects[A]["data"] == {"x": "2"}


async def test_what_no_migration_can_help_is_told() -> None:
    client = MemoryClient(written("v1"))
    client.refuse("dry-run ConfigMap/ns/a", OLD)

    with pytest.raises(ReconciliationFailed, match="invalid group/version"):
        await applied(client, config("a", data={"x": "2"}))

    assert client.writes() == []


@pytest.mark.parametrize(("version", "migrations"), [("v1beta1", 1), ("v1", 0)])
async def test_each_update_may_begin_with_a_migration(version: str, migrations: int) -> None:
    client = MemoryClient(written(version))
    plan = plan_for(client, config("a", data={"x": "2"}))

    await apply(plan, executor(client, migrates=True))

    assert client.writes() == ["json-patch ConfigMap/ns/a"] * migrations + ["apply ConfigMap/ns/a"]
    assert client.objects[A]["data"] == {"x": "2"}
