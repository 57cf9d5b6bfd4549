"""How services are asked: bounded, again where they are busy, and nowhere else than meant."""

import gzip
from collections.abc import Callable

import pytest
from aiohttp import web

from engine.cluster.outbound import DIRECT, LIMIT_BYTES, TRIES, Route, Unanswered
from engine.source.addresses import is_forbidden
from tests.support.clouds.world import Cut, Handler, Received, world

URL = "https://vault.example.com/v1/x"


def saying(*answers: Callable[[], web.Response]) -> Handler:
    """A handler that gives these answers in turn; the last one stays."""
    left = list(answers)

    async def handler(_: Received) -> web.Response:
        return (left.pop(0) if len(left) > 1 else left[0])()

    return handler


def ok() -> web.Response:
    return web.Response(text="ok")


def busy(status: int, **headers: str) -> Callable[[], web.Response]:
    return lambda: web.Response(status=status, headers={"Retry-After": "2"} if headers else {})


async def test_a_request_arrives_as_it_was_sent() -> None:
    async with world() as clouds:
        clouds.serve("vault.example.com", saying(ok))

        answer = await clouds.http.send("PUT", f"{URL}?a=%2F", headers={"X-A": "1"}, body=b"body")

        assert (answer.status, answer.body) == (200, b"ok")
        received = clouds.seen[0]
        assert (received.method, received.path, received.query) == ("PUT", "/v1/x", {"a": "/"})
        assert (received.headers["X-A"], received.body) == ("1", b"body")
        assert received.url.startswith("https://vault.example.com")


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_a_busy_service_is_asked_again_with_growing_pauses(status: int) -> None:
    async with world() as clouds:
        clouds.serve("vault.example.com", saying(busy(status), busy(status), ok))

        answer = await clouds.http.send("GET", URL)

        assert answer.status == 200
        first, second = clouds.clock.slept
        assert 0.125 <= first <= 0.25
        assert 0.25 <= second <= 0.5


async def test_a_service_says_how_long_to_wait() -> None:
    async with world() as clouds:
        clouds.serve("vault.example.com", saying(busy(429, asks="2"), ok))

        await clouds.http.send("GET", URL)

        assert clouds.clock.slept == [2.0]


async def test_a_service_that_asks_for_long_is_left_alone() -> None:
    async with world() as clouds:
        late = web.Response(status=429, headers={"Retry-After": "60"})
        clouds.serve("vault.example.com", saying(lambda: late))

        assert (await clouds.http.send("GET", URL)).status == 429
        assert clouds.clock.slept == []


async def test_a_service_that_stays_busy_is_given_up() -> None:
    async with world() as clouds:
        clouds.serve("vault.example.com", saying(busy(503)))

        assert (await clouds.http.send("GET", URL)).status == 503
        assert len(clouds.seen) == TRIES


async def test_a_connection_that_breaks_is_made_again() -> None:
    async with world() as clouds:
        tried = 0

        async def breaks_once(_: Received) -> web.Response:
            nonlocal tried
            tried += 1
            if tried == 1:
                raise Cut
            return ok()

        clouds.serve("vault.example.com", breaks_once)

        assert (await clouds.http.send("GET", URL)).status == 200


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    async with world() as clouds:
        away = {"Location": "https://evil.example.com/"}
        clouds.serve("vault.example.com", saying(lambda: web.Response(status=status, headers=away)))
        clouds.serve("evil.example.com", saying(ok))

        answer = await clouds.http.send("GET", URL, headers={"Authorization": "Bearer canary"})

        assert answer.status == status
        assert clouds.asked("evil.example.com") == []


async def test_an_answer_that_is_too_long_ends_at_the_bound() -> None:
    async with world() as clouds:
        long = b"x" * (LIMIT_BYTES + 1)
        clouds.serve("vault.example.com", saying(lambda: web.Response(body=long)))

        with pytest.raises(Unanswered, match=f"more than {LIMIT_BYTES} bytes"):
            await clouds.http.send("GET", URL)

        assert len(clouds.seen) == 1


async def test_a_small_answer_stays_small() -> None:
    async with world() as clouds:
        bomb = gzip.compress(bytes(8 * LIMIT_BYTES))
        headers = {"Content-Encoding": "gzip"}
        clouds.serve("vault.example.com", saying(lambda: web.Response(body=bomb, headers=headers)))

        answer = await clouds.http.send("GET", URL)

        assert answer.body == bomb
        assert clouds.seen[0].headers["Accept-Encoding"] == "identity"


async def test_cookies_are_forgotten() -> None:
    async with world() as clouds:

        def with_cookie() -> web.Response:
            return web.Response(headers={"Set-Cookie": "a=b"})

        clouds.serve("vault.example.com", saying(with_cookie))
        await clouds.http.send("GET", URL)
        await clouds.http.send("GET", URL)

        assert "Cookie" not in clouds.seen[1].headers


async def test_a_name_that_does_not_resolve_says_what_to_check() -> None:
    async with world() as clouds:
        with pytest.raises(Unanswered, match=r"'vault\.example\.com:443'"):
            await clouds.http.send("GET", URL)


async def test_a_server_that_nobody_vouches_for_is_not_told_anything() -> None:
    async with world() as clouds:
        clouds.serve("other.example.com", saying(ok))  # no name of the certificate

        with pytest.raises(Unanswered, match=r"certificate of 'other\.example\.com:443' is not"):
            await clouds.http.send("GET", "https://other.example.com/")

        assert clouds.seen == []


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "https://user:canary@vault.example.com/", "https://", "gopher:x"]
)
async def test_what_is_no_web_address_is_not_asked(url: str) -> None:
    async with world() as clouds:
        with pytest.raises(Unanswered, match="must be https") as refused:
            await clouds.http.send("GET", url)

        assert "canary" not in str(refused.value)


async def test_errors_show_neither_header_nor_body_nor_query() -> None:
    async with world() as clouds:
        with pytest.raises(Unanswered) as refused:
            await clouds.http.send(
                "GET", f"{URL}?token=canary", headers={"Authorization": "canary"}, body=b"canary"
            )

        assert "canary" not in repr(refused.value)


async def test_a_guarded_name_that_leads_to_this_machine_is_refused_at_once() -> None:
    async with world(guarded=True) as clouds:
        clouds.serve("vault.example.com", saying(ok))

        with pytest.raises(Unanswered, match="is loopback, link-local"):
            await clouds.http.send("GET", URL, route=Route(is_guarded=True))

        assert (await clouds.http.send("GET", URL)).status == 200  # what we chose ourselves
        assert clouds.clock.slept == []


async def test_a_guarded_name_that_leads_to_the_metadata_service_is_refused() -> None:
    """CVE-2026-44936: a URL of a tenant's led the engine to services that only it can reach."""
    async with world(guarded=True, address="169.254.169.254") as clouds:
        clouds.serve("vault.example.com", saying(ok))

        with pytest.raises(Unanswered, match=r"'vault\.example\.com \(169\.254\.169\.254\)' is"):
            await clouds.http.send("GET", URL, route=Route(is_guarded=True))


async def test_the_environments_proxy_is_used_unless_it_excepts_the_host() -> None:
    environment = {"HTTPS_PROXY": "http://proxy.test:3128", "NO_PROXY": "vault.example.com"}
    async with world(environment) as clouds:
        clouds.serve("vault.example.com", saying(ok))

        assert (await clouds.http.send("GET", URL)).status == 200
        with pytest.raises(Unanswered, match=r"the proxy 'proxy\.test:3128'"):
            await clouds.http.send("GET", "https://evil.example.com/")


async def test_a_part_of_this_machine_is_asked_once_and_by_no_proxy() -> None:
    async with world({"HTTP_PROXY": "http://proxy.test:3128"}) as clouds:
        clouds.serve("machine.test", saying(ok))

        route = Route(is_local=True)
        assert (await clouds.http.send("GET", "http://machine.test/", route=route)).status == 200
        with pytest.raises(Unanswered):
            await clouds.http.send("GET", "http://metadata.test/", route=route)
        assert clouds.clock.slept == []


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_a_tenants_proxy_on_this_machine_is_refused(scheme: str) -> None:
    async with world(guarded=True) as clouds:
        clouds.serve("proxy.test", saying(ok))
        route = Route(proxy=f"{scheme}://user:canary@proxy.test:1080")

        with pytest.raises(Unanswered, match="is loopback, link-local") as refused:
            await clouds.http.send("GET", URL, route=route)

        assert "canary" not in str(refused.value)


@pytest.mark.parametrize("scheme", ["http", "https", "socks5"])
@pytest.mark.parametrize("host", ["127.0.0.1", "169.254.169.254", "[::1]"])
async def test_a_tenants_proxy_is_refused_by_its_address_too(scheme: str, host: str) -> None:
    """No name is looked up for an address, so nothing else would look at it."""
    async with world(guarded=True) as clouds:
        with pytest.raises(Unanswered, match="is loopback, link-local"):
            await clouds.http.send("GET", URL, route=Route(proxy=f"{scheme}://{host}:9"))


async def test_the_operators_proxy_may_be_on_this_machine() -> None:
    """A tenant named the service, and not the proxy beside the engine that leads there."""
    async with world({"HTTP_PROXY": "http://ada:s3cret@proxy.test"}, guarded=True) as clouds:
        clouds.serve("proxy.test", saying(ok))
        clouds.serve("vault.example.com", saying(ok))

        route = Route(is_guarded=True)
        answer = await clouds.http.send("GET", "http://vault.example.com/x", route=route)

        assert answer.body == b"ok"
        assert clouds.seen[0].headers["Proxy-Authorization"] == "Basic YWRhOnMzY3JldA=="


@pytest.mark.parametrize(
    ("proxy", "said"),
    [
        ("ada:canary@proxy.test:3128", r"the proxy 'proxy\.test:3128'"),
        ("http://ada:canary@[proxy.test:3128", "environment names a proxy for"),
        ("ftp://ada:canary@proxy.test:3128", "environment names a proxy for"),
    ],
)
async def test_a_proxy_is_named_in_any_way_that_git_takes_and_its_login_never_shown(
    proxy: str, said: str
) -> None:
    async with world({"HTTPS_PROXY": proxy}) as clouds:
        with pytest.raises(Unanswered, match=said) as refused:
            await clouds.http.send("GET", URL)

        assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    ("address", "forbidden"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("169.254.169.254", True),
        ("0.0.0.0", True),
        ("224.0.0.1", True),
        ("168.63.129.16", True),
        ("100.100.100.200", True),
        ("::1", True),
        ("::", True),
        ("fe80::1%eth0", True),
        ("::ffff:169.254.169.254", True),
        ("2002:7f00:1::", True),
        ("64:ff9b::a9fe:a9fe", True),
        ("fd00:ec2::254", True),
        ("10.0.0.7", False),
        ("192.168.1.1", False),
        ("203.0.113.7", False),
        ("2001:db8::1", False),
        ("fd12::1", False),
        ("vault.example.com", False),
    ],
)
def test_addresses_of_this_machine_and_its_link_are_forbidden(
    address: str, forbidden: bool
) -> None:
    assert is_forbidden(address) is forbidden


def test_nothing_is_guarded_unless_it_is_said() -> None:
    assert Route() == DIRECT
    assert "canary" not in repr(Route(proxy="http://u:canary@p", ca=b"canary"))
