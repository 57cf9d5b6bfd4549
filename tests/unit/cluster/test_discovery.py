from typing import Any

import anyio
import anyio.lowlevel
import pytest

from engine.cluster.discovery import REFRESH_PERIOD, Discovery, UnknownKind
from engine.cluster.errors import Unavailable
from tests.support.clock import ManualClock


def aggregated(*groups: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "APIGroupDiscoveryList", "items": list(groups)}


def group(name: str, **versions: list[str]) -> dict[str, Any]:
    """A group with versions that serve these kinds, all namespaced, with a status."""
    return {
        "metadata": {"name": name} if name else {},
        "versions": [
            {"version": version, "resources": [served(kind) for kind in kinds]}
            for version, kinds in versions.items()
        ],
    }


def served(kind: str) -> dict[str, Any]:
    return {
        "resource": kind.lower() + "s",
        "responseKind": {"kind": kind},
        "scope": "Namespaced",
        "verbs": ["get", "watch"],
        "subresources": [{"subresource": "status"}],
    }


class Server:
    """Answers by path; counts questions."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {
            "/api": aggregated(group("", v1=["ConfigMap", "Pod"])),
            "/apis": aggregated(
                group("apps", v1=["Deployment", "DaemonSet"], v1beta1=["Deployment"]),
            ),
        }
        self.asked: list[str] = []

    async def __call__(self, path: str, accept: str) -> Any:
        self.asked.append(path)
        await anyio.lowlevel.checkpoint()
        answer = self.answers[path]
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_a_kind_is_found_in_the_preferred_and_in_a_given_version() -> None:
    discovery = Discovery(Server(), ManualClock())

    found = await discovery.resource("apps", None, "Deployment")
    assert found.path("ns", "name", "status") == (
        "/apis/apps/v1/namespaces/ns/deployments/name/status"
    )
    assert (found.verbs, found.subresources) == ({"get", "watch"}, {"status"})
    older = await discovery.resource("apps", "v1beta1", "Deployment")
    assert (older.api_version, older.title) == ("apps/v1beta1", "deployments.apps")
    assert (await discovery.resource("", "v1", "Pod")).path() == "/api/v1/pods"


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        (("apps", "v1", "Deploymnet"), "no kind 'Deploymnet' in apps/v1; there is 'Deployment'"),
        (
            ("", "v1", "Deployment"),
            "no kind 'Deployment' in v1; it is served in apps/v1, apps/v1beta1",
        ),
        (("nope", "v1", "X"), "no kind 'X' in nope/v1; nothing is served in that group"),
        (("apps", "v1", "Zebra"), "no kind 'Zebra' in apps/v1"),
        (("", None, "Podd"), "no kind 'Podd' in the core group; there is 'Pod'"),
    ],
)
async def test_an_unknown_kind_is_explained(wanted: tuple[str, str, str], text: str) -> None:
    with pytest.raises(UnknownKind) as error:
        await Discovery(Server(), ManualClock()).resource(*wanted)

    assert str(error.value) == text


async def test_all_who_ask_at_once_share_one_question() -> None:
    server = Server()
    discovery = Discovery(server, ManualClock())
    async with anyio.create_task_group() as tasks:
        for kind in ("Pod", "ConfigMap", "Pod"):
            tasks.start_soon(discovery.resource, "", "v1", kind)

    assert server.asked == ["/api", "/apis"]


async def test_an_unknown_kind_is_asked_for_again_only_after_the_period() -> None:
    server, clock = Server(), ManualClock()
    discovery = Discovery(server, clock)
    for _ in range(3):
        with pytest.raises(UnknownKind):
            await discovery.resource("example.com", "v1", "Widget")
    assert len(server.asked) == 2
    server.answers["/apis"] = aggregated(group("example.com", v1=["Widget"]))
    await clock.advance(REFRESH_PERIOD)

    assert (await discovery.resource("example.com", "v1", "Widget")).plural == "widgets"


async def test_a_changed_definition_makes_an_unknown_kind_known_at_once() -> None:
    server = Server()
    discovery = Discovery(server, ManualClock())
    await discovery.all()
    server.answers["/apis"] = aggregated(group("example.com", v1=["Widget"]))
    discovery.invalidate()

    assert (await discovery.resource("example.com", "v1", "Widget")).kind == "Widget"


async def test_known_kinds_are_asked_for_again_once_in_a_burst_of_changes() -> None:
    server, clock = Server(), ManualClock()
    discovery = Discovery(server, clock)
    await discovery.all()
    for _ in range(5):
        discovery.invalidate()
        await discovery.resource("", "v1", "Pod")
    assert len(server.asked) == 2
    await clock.advance(REFRESH_PERIOD)
    await discovery.resource("", "v1", "Pod")

    assert len(server.asked) == 4


async def test_a_failed_refresh_is_repeated_at_the_next_question() -> None:
    server = Server()
    discovery = Discovery(server, ManualClock())
    good, server.answers["/apis"] = server.answers["/apis"], Unavailable(503, "", "busy")
    with pytest.raises(Unavailable):
        await discovery.resource("", "v1", "Pod")
    server.answers["/apis"] = good

    assert (await discovery.resource("", "v1", "Pod")).kind == "Pod"


async def test_an_older_server_is_walked_and_a_group_that_is_away_left_out() -> None:
    server = Server()
    server.answers = {
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {
            "kind": "APIGroupList",
            "groups": [
                {
                    "name": "apps",
                    "versions": [{"version": "v1beta1"}, {"version": "v1"}],
                    "preferredVersion": {"version": "v1"},
                },
                {"name": "metrics.k8s.io", "versions": [{"version": "v1"}]},
            ],
        },
        "/api/v1": {"resources": [{"name": "nodes", "kind": "Node", "namespaced": False}]},
        "/apis/apps/v1": {
            "resources": [
                {"name": "deployments", "kind": "Deployment", "namespaced": True, "verbs": ["get"]},
                {"name": "deployments/scale", "kind": "Scale", "namespaced": True},
            ]
        },
        "/apis/apps/v1beta1": {"resources": []},
        "/apis/metrics.k8s.io/v1": Unavailable(503, "", "down"),
    }
    discovery = Discovery(server, ManualClock())

    assert [str(r) for r in await discovery.all()] == ["v1 Node", "apps/v1 Deployment"]
    found = await discovery.resource("apps", None, "Deployment")
    assert (found.version, found.subresources) == ("v1", {"scale"})
    assert (await discovery.resource("", "v1", "Node")).path("ns", "n") == "/api/v1/nodes/n"


@pytest.mark.parametrize("is_aggregated", [True, False])
async def test_a_kind_whose_own_api_server_is_away_is_not_unknown_for_sure(
    is_aggregated: bool,
) -> None:
    server = Server()
    stale = {"version": "v1", "resources": [], "freshness": "Stale"}
    away = {"metadata": {"name": "metrics.k8s.io"}, "versions": [stale]}
    if is_aggregated:
        server.answers["/apis"]["items"].append(away)
    else:
        found = {"name": "metrics.k8s.io", "versions": [{"version": "v1"}]}
        server.answers["/apis"] = {"groups": [found]}
        server.answers["/apis/metrics.k8s.io/v1"] = Unavailable(503, "", "down")
    discovery = Discovery(server, ManualClock())

    for version in ("v1", None):
        with pytest.raises(Unavailable, match=r"metrics\.k8s\.io/v1 is not known"):
            await discovery.resource("metrics.k8s.io", version, "PodMetrics")
    with pytest.raises(UnknownKind):
        await discovery.resource("other.io", "v1", "Thing")


async def test_what_exists_is_found_in_another_version_than_the_one_it_was_made_in() -> None:
    discovery = Discovery(Server(), ManualClock())

    assert (await discovery.existing("apps", "v1beta0", "Deployment")).version == "v1"
    assert (await discovery.existing("apps", "v1beta1", "Deployment")).version == "v1beta1"
    with pytest.raises(UnknownKind):
        await discovery.existing("apps", "v1", "Thing")
