import socket

import aiohttp
import pytest
from aiohttp import web

from engine.app import reachable
from engine.serve.http import BadAddress, listening, parse_address


def add_routes(application: web.Application) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=request.remote)

    application.router.add_get("/", answer)


async def asked(url: str) -> str:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return await answer.text()


@pytest.mark.parametrize(
    "version",
    [
        4,
        pytest.param(
            6, marks=pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 here")
        ),
    ],
)
async def test_a_port_alone_is_served_on_all_interfaces_of_both_versions_of_ip(
    version: int,
) -> None:
    async with listening(":0", add_routes) as served:
        port = served.removeprefix("0.0.0.0:")
        host = {4: "127.0.0.1", 6: "[::1]"}[version]

        assert await asked(f"http://{host}:{port}/") in ("::ffff:127.0.0.1", "127.0.0.1", "::1")
        assert await asked(f"http://{reachable(served)}/")


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 here")
async def test_an_address_of_version_6_is_told_as_it_stands_in_urls() -> None:
    async with listening("[::1]:0", add_routes) as served:
        assert await asked(f"http://{served}/") == "::1"


@pytest.mark.parametrize("host", ["127.0.0.1", ""])
async def test_a_port_that_is_taken_is_told(host: str) -> None:
    async with listening(f"{host}:0", add_routes) as served:
        address = f"{host}:{served.rpartition(':')[2]}"
        with pytest.raises(BadAddress) as caught:
            async with listening(address, add_routes):
                pass

    assert str(caught.value) == (
        f"cannot listen on {address}: Address already in use; choose another port, 0 for any"
    )


@pytest.mark.parametrize(
    ("text", "wanted"),
    [(":8080", ("", 8080)), ("127.0.0.1:0", ("127.0.0.1", 0)), ("[::1]:1", ("::1", 1))],
)
def test_an_address_is_host_and_port(text: str, wanted: tuple[str, int]) -> None:
    assert parse_address(text) == wanted


@pytest.mark.parametrize("text", ["", "8080", ":", "x:", "h:99999", ":-1", ":²", f":{'0' * 5000}"])
def test_what_is_no_address_is_told_with_the_form(text: str) -> None:
    with pytest.raises(BadAddress, match="is not an address: write HOST:PORT or :PORT"):
        parse_address(text)
