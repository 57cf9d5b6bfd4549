import pytest

from engine.cluster import Conflict
from engine.objects.ref import Object, Ref
from engine.status.commit import commit
from tests.support.build import config
from tests.support.memory_client import KINDS, MemoryClient

REF = Ref("", "ConfigMap", "ns", "a")


def stored(**status: object) -> tuple[MemoryClient, Object]:
    client = MemoryClient(config("a", status=status))
    return client, dict(client.objects[REF])


async def committed(
    client: MemoryClient, obj: Object, status: Object, *, guarded: bool = False
) -> Object:
    return await commit(client.as_client(), KINDS[0], obj, status, manager="m", guarded=guarded)


async def test_only_the_difference_is_sent() -> None:
    client, obj = stored(kept="1", gone="2", nested={"x": 1})

    new = await committed(client, obj, {"kept": "1", "nested": {"x": 1}, "new": "3"})

    assert new["status"] == {"kept": "1", "nested": {"x": 1}, "new": "3"}


async def test_nothing_is_sent_where_nothing_is_new() -> None:
    client, obj = stored(kept="1")

    assert await committed(client, obj, {"kept": "1"}) is obj
    assert client.calls == []


async def test_an_object_of_the_same_name_is_not_written_to() -> None:
    client, obj = stored()
    client.put(config("a", uid="another"))

    with pytest.raises(Conflict):
        await committed(client, obj, {"x": 1})


async def test_a_guarded_write_fails_if_anybody_wrote_in_between() -> None:
    client, obj = stored()
    client.put({**obj, "metadata": dict(obj["metadata"])})

    with pytest.raises(Conflict):
        await committed(client, obj, {"x": 1}, guarded=True)
    assert (await committed(client, obj, {"x": 1}))["status"] == {"x": 1}
