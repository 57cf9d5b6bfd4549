from typing import Any

import orjson
import pytest

from engine.apiserver.errors import Refused
from engine.apiserver.operations.watching import Watch
from tests.unit.apiserver.conftest import Client

MAPS = "/api/v1/namespaces/default/configmaps"


def config_map(name: str, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": labels}}


def seen(watch: Watch) -> list[str]:
    frames = [orjson.loads(line) for line in watch.take().splitlines()]
    return [f"{f['type']} {f['object']['metadata'].get('name', '')}".strip() for f in frames]


def test_a_watch_goes_on_where_a_list_ended(client: Client) -> None:
    client.create(MAPS, config_map("a"))
    revision = client.get(MAPS)["metadata"]["resourceVersion"]
    client.create(MAPS, config_map("b"))
    observe = client.observe(f"{MAPS}?watch=true&resourceVersion={revision}")
    watch = client.watch(observe)

    with watch.open(observe.options):
        client.delete(f"{MAPS}/a")

        assert seen(watch) == ["ADDED b", "DELETED a"]


def test_an_object_that_leaves_the_selection_is_deleted_for_the_watcher(client: Client) -> None:
    client.create(MAPS, config_map("a", app="x"))
    observe = client.observe(f"{MAPS}?watch=true&resourceVersion=0&labelSelector=app=x")
    watch = client.watch(observe)

    with watch.open(observe.options):
        client.merge(f"{MAPS}/a", {"metadata": {"labels": {"app": "y"}}})
        client.merge(f"{MAPS}/a", {"data": {"k": "v"}})
        client.merge(f"{MAPS}/a", {"metadata": {"labels": {"app": "x"}}})

        assert seen(watch) == ["ADDED a", "DELETED a", "ADDED a"]


def test_an_object_that_left_is_shown_as_it_was(client: Client) -> None:
    client.create(MAPS, config_map("a", app="x"))
    observe = client.observe(f"{MAPS}?watch=true&labelSelector=app=x")
    watch = client.watch(observe)
    with watch.open(observe.options):
        watch.take()
        _, after = client.merge(f"{MAPS}/a", {"metadata": {"labels": {"app": "y"}}})

        gone = orjson.loads(watch.take())["object"]["metadata"]

    assert gone["labels"] == {"app": "x"}
    assert gone["resourceVersion"] == after["metadata"]["resourceVersion"]


def test_initial_events_end_with_a_marked_bookmark(client: Client) -> None:
    client.create(MAPS, config_map("a"))
    observe = client.observe(
        f"{MAPS}?watch=true&sendInitialEvents=true&allowWatchBookmarks=true"
        "&resourceVersionMatch=NotOlderThan&fieldSelector=metadata.name=a"
    )
    watch = client.watch(observe)

    with watch.open(observe.options):
        frames = [orjson.loads(line) for line in watch.take().splitlines()]

    assert [frame["type"] for frame in frames] == ["ADDED", "BOOKMARK"]
    notes = frames[-1]["object"]["metadata"]["annotations"]
    assert notes == {"k8s.io/initial-events-end": "true"}


def test_a_watch_from_before_the_history_is_gone(forgetful_client: Client) -> None:
    client = forgetful_client
    for name in "abcdef":
        client.create(MAPS, config_map(name))
    observe = client.observe(f"{MAPS}?watch=true&resourceVersion=1")

    with pytest.raises(Refused) as caught, client.watch(observe).open(observe.options):
        pass

    assert (caught.value.code, caught.value.reason) == (410, "Expired")


def test_watchers_share_an_encoded_frame(client: Client) -> None:
    observe = client.observe(f"{MAPS}?watch=true&resourceVersion=1")
    first, second = client.watch(observe), client.watch(observe)
    with first.open(observe.options), second.open(observe.options):
        client.create(MAPS, config_map("a"))

        assert first.take() == second.take()
    change = client.embedded.state.store.history("configmaps", 1)[-1]
    assert len(change.frames) == 1


def test_a_bookmark_tells_the_newest_revision(client: Client) -> None:
    observe = client.observe(f"{MAPS}?watch=true&resourceVersion=1")
    watch = client.watch(observe)
    with watch.open(observe.options):
        watch.take()
        client.create("/api/v1/namespaces", {"metadata": {"name": "elsewhere"}})
        watch.take()

        bookmark = orjson.loads(watch.bookmark())

    newest = str(client.embedded.state.store.revision)
    assert bookmark["object"]["metadata"]["resourceVersion"] == newest
