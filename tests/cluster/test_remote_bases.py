"""Bases that kustomizations name by URL: fetched, looked up again, and built when they change."""

import anyio
from aiohttp import web

from engine.objects.manifests import dump
from tests.support.fleet import Fleet, condition_of, config_map, has_reason, is_at, is_ready
from tests.support.git_server import serve_application

BASE = {"app/kustomization.yaml": "resources: [map.yaml]\n"}


def overlay(*urls: str, **fields: str) -> str:
    return dump({"resources": list(urls), **fields})


async def test_a_base_is_fetched_and_its_next_commit_applied_at_the_next_look(
    fleet: Fleet,
) -> None:
    fleet.commit({**BASE, "app/map.yaml": config_map("web", color="red")}, repository="base")
    url = f"{fleet.git_url}/base//app"
    commit = await fleet.app({"app/kustomization.yaml": overlay(url, namePrefix="my-")})

    async with fleet.engine() as state:
        await fleet.until("Kustomization", "app", is_at(commit))
        assert await fleet.data("my-web") == {"color": "red"}
        await fleet.reconcile("Kustomization", "app")
        assert state.engine is not None
        assert state.engine.builds.statistics().built == 1

        fleet.commit({"app/map.yaml": config_map("web", color="blue")}, repository="base")
        await fleet.reconcile("Kustomization", "app")
        assert await fleet.data("my-web") == {"color": "blue"}
        assert state.engine.builds.statistics().built == 2


async def test_a_host_that_hangs_or_refuses_fails_its_own_kustomization_only(fleet: Fleet) -> None:
    hanging = web.Application()
    asked, never = anyio.Event(), anyio.Event()

    async def hang(request: web.Request) -> web.Response:
        asked.set()
        await never.wait()
        return web.Response()

    hanging.router.add_get("/{path:.*}", hang)
    async with serve_application(hanging) as url:
        fleet.commit(
            {
                "hangs/kustomization.yaml": overlay(f"{url}/org/base?timeout=2s"),
                "refused/kustomization.yaml": overlay("http://127.0.0.1:9/org/base?ref=v1"),
                "good/map.yaml": config_map("web"),
            }
        )
        await fleet.source()
        for name in ("hangs", "refused", "good"):
            await fleet.kustomization(name, path=f"./{name}", retryInterval="1h")

        async with fleet.engine(concurrent=1):
            await asked.wait()
            await fleet.until("Kustomization", "good", is_ready)
            refused = await fleet.until("Kustomization", "refused", has_reason("BuildFailed"))
            hangs = await fleet.until("Kustomization", "hangs", has_reason("BuildFailed"))
        never.set()

    said = condition_of(refused)["message"]
    assert "refused/kustomization.yaml:2" in said
    assert "cannot fetch 'http://127.0.0.1:9/org/base?ref=v1': cannot reach '127.0.0.1:9'" in said
    assert "connection refused" in said
    assert "no complete answer within 2s (the URL's timeout)" in condition_of(hangs)["message"]


async def test_no_remote_bases_refuses_them(fleet: Fleet) -> None:
    fleet.commit({**BASE, "app/map.yaml": config_map("web")}, repository="base")
    await fleet.app({"app/kustomization.yaml": overlay(f"{fleet.git_url}/base//app")})

    async with fleet.engine(no_remote_bases=True):
        failed = await fleet.until("Kustomization", "app", has_reason("BuildFailed"))

    assert "is not allowed (--no-remote-bases)" in condition_of(failed)["message"]


async def test_a_base_reaches_nothing_but_its_own_repository(fleet: Fleet) -> None:
    """`secret.yaml` stands in ours, beside the folder whose place the base's own takes."""
    greedy = {"app/kustomization.yaml": "resources: [../secret.yaml, map.yaml]\n"}
    fleet.commit({**greedy, "app/map.yaml": config_map("web")}, repository="base")
    await fleet.app(
        {
            "app/kustomization.yaml": overlay(f"{fleet.git_url}/base//app"),
            "secret.yaml": config_map("ours"),
        }
    )

    async with fleet.engine():
        failed = await fleet.until("Kustomization", "app", has_reason("BuildFailed"))

    assert "secret.yaml" in condition_of(failed)["message"]
    assert await fleet.get("ConfigMap", "ours") is None


async def test_kustomizations_share_what_one_of_them_fetches(fleet: Fleet) -> None:
    fleet.commit({**BASE, "app/map.yaml": config_map("web")}, repository="base")
    url = f"{fleet.git_url}/base//app?ref=main"
    fleet.commit({"all/kustomization.yaml": overlay(url)})
    await fleet.source()
    for number in range(5):
        await fleet.kustomization(f"app-{number}", path="./all", namePrefix=f"{number}-")

    async with fleet.engine():
        for number in range(5):
            await fleet.until("Kustomization", f"app-{number}", is_ready)
            assert await fleet.get("ConfigMap", f"{number}-web") is not None
