"""GitRepositories whose server is reached by a proxy."""

from typing import Any

import pytest
from yarl import URL

from tests.support.fleet import Fleet, condition_of, config_map, has_reason, is_ready
from tests.support.gateways import http_gateway, socks_gateway

NAME = "git.invalid"
GATEWAYS: dict[str, Any] = {"http": http_gateway, "socks5": socks_gateway}


async def proxy_secret(fleet: Fleet, **data: str) -> None:
    await fleet.put(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "proxy"}, "stringData": data}
    )


async def source_behind(fleet: Fleet, **spec: Any) -> None:
    fleet.commit({"app/web.yaml": config_map("web", value="1")})
    await fleet.source(url=f"http://{NAME}/fleet", proxySecretRef={"name": "proxy"}, **spec)


@pytest.mark.covers("GitRepository.spec.proxySecretRef.name")
@pytest.mark.parametrize("kind", GATEWAYS)
async def test_a_proxy_of_the_objects_own_is_asked(fleet: Fleet, kind: str) -> None:
    port = URL(fleet.git_url).port or 0
    async with GATEWAYS[kind]({NAME: port}, login="me:s3cret") as way:
        await proxy_secret(fleet, address=way.address, username="me", password="s3cret")
        await source_behind(fleet)
        async with fleet.engine():
            await fleet.until("GitRepository", "fleet", is_ready)

    assert way.asked
    assert set(way.logins) == {"me:s3cret"}


@pytest.mark.covers("GitRepository:AuthenticationFailed")
@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (None, "failed to get secret '{}/proxy': secrets \"proxy\" not found; create it, or "),
        ({}, "failed to configure proxy options: secret '{}/proxy': key 'address' not found"),
        ({"address": "ftp://x"}, "it must read http://, https:// or socks5://"),
    ],
)
async def test_a_proxy_that_is_not_described_right(
    fleet: Fleet, data: dict[str, str] | None, problem: str
) -> None:
    if data is not None:
        await proxy_secret(fleet, **data)
    await source_behind(fleet)
    async with fleet.engine():
        failed = await fleet.until("GitRepository", "fleet", has_reason("AuthenticationFailed"))

    assert problem.format(fleet.namespace) in condition_of(failed)["message"]


async def test_a_login_that_a_proxy_does_not_take_is_not_shown(fleet: Fleet) -> None:
    async with http_gateway({}, login="me:other") as way:
        address = way.address.replace("://", "://me:s3cret@")
        await proxy_secret(fleet, address=address)
        await source_behind(fleet)
        async with fleet.engine():
            failed = await fleet.until("GitRepository", "fleet", has_reason("GitOperationFailed"))

    assert "check the Secret of spec.proxySecretRef" in condition_of(failed)["message"]
    assert "s3cret" not in str(failed["status"])
