from pathlib import Path
from typing import Any

import pytest

from engine.cluster.destination import Destination, Undeliverable, Undelivered
from engine.dispatch.destination import destination_of
from engine.objects.ref import Ref
from engine.settings import Settings
from tests.support.clock import ManualClock
from tests.support.dispatching import Desk, dispatching


@pytest.fixture
def desk(tmp_path: Path) -> Any:
    with dispatching(tmp_path, ManualClock(), {}) as desk:
        yield desk


async def destination(desk: Desk, settings: Settings | None = None, **spec: Any) -> Destination:
    service = desk.dispatch.directory.provider(Ref.of(desk.provider(**spec)))
    assert service is not None
    client = desk.client.as_client()
    return await destination_of(service, "status", client, settings or Settings())


NAMED = {"secretRef": {"name": "s"}}


async def test_the_spec_says_all_without_secrets(desk: Desk) -> None:
    found = await destination(desk, channel="ops", username="flux", proxy="http://proxy:1")

    assert (found.address, found.channel, found.username) == ("https://x.test", "ops", "flux")
    assert (found.route.proxy, found.route.is_guarded, found.status) == (
        "http://proxy:1",
        False,
        "status",
    )


async def test_the_secret_counts_more_than_the_spec(desk: Desk) -> None:
    desk.secret(
        "s",
        address=b" https://hooks.test/services/KEYpart?x=QUERYpart\n",
        username=b"u",
        password=b"Password/1",
        token=b"Token/1",
        headers=b"X-Team: a\nAuthorization: Bearer Header/1\n",
        proxy=b"http://old-proxy:1",
    )

    found = await destination(desk, username="flux", proxy="http://older:1", **NAMED)

    assert found.address == "https://hooks.test/services/KEYpart?x=QUERYpart"
    assert (found.username, found.password, found.token) == ("u", "Password/1", "Token/1")
    assert found.headers == {"X-Team": "a", "Authorization": "Bearer Header/1"}
    assert found.route.proxy == "http://old-proxy:1"
    assert {"services/KEYpart", "x=QUERYpart", "Token/1"} <= set(found.secrets)
    assert not any(value in repr(found) for value in ("Token/1", "Password/1", "KEYpart"))


async def test_a_user_name_without_a_password_is_no_login(desk: Desk) -> None:
    desk.secret("s", username=b"u")

    assert (await destination(desk, username="flux", **NAMED)).username == "flux"


async def test_the_newest_way_to_name_a_proxy_counts(desk: Desk) -> None:
    desk.secret("s", proxy=b"http://old-proxy:1")
    desk.secret("p", address=b"http://proxy:3128", username=b"me", password=b"Pa/ss")

    found = await destination(desk, proxySecretRef={"name": "p"}, **NAMED)

    assert found.route.proxy == "http://me:Pa%2Fss@proxy:3128"
    assert "Pa/ss" in found.secrets


@pytest.mark.parametrize(
    "names", [("ca.crt", "tls.crt", "tls.key"), ("caFile", "certFile", "keyFile")]
)
async def test_certificates_have_new_and_old_keys(desk: Desk, names: tuple[str, ...]) -> None:
    desk.secret("c", **dict(zip(names, (b"CA", b"CERT", b"KEY"), strict=True)))

    route = (await destination(desk, certSecretRef={"name": "c"})).route

    assert (route.ca, route.certificate, route.key) == (b"CA", b"CERT", b"KEY")


@pytest.mark.parametrize(("kind", "ca"), [("slack", b""), ("github", b"CA")])
async def test_types_that_mark_commits_take_an_authority_from_their_own_secret(
    desk: Desk, kind: str, ca: bytes
) -> None:
    desk.secret("s", **{"ca.crt": b"CA"})

    assert (await destination(desk, type=kind, **NAMED)).route.ca == ca


async def test_strict_tenancy_guards_the_way(desk: Desk) -> None:
    strict = Settings(tenancy="strict").effective

    assert (await destination(desk, strict)).route.is_guarded


async def test_a_secret_that_is_missing_may_come(desk: Desk) -> None:
    with pytest.raises(
        Undelivered, match=r"failed to get secret 'ns/s': it does not exist"
    ) as caught:
        await destination(desk, **NAMED)

    assert not isinstance(caught.value, Undeliverable)


@pytest.mark.parametrize(
    ("secret", "spec", "what"),
    [
        ({"headers": b"[1]"}, NAMED, "'headers' in the Secret must be YAML"),
        ({"headers": b"a: ["}, NAMED, "'headers' in the Secret must be YAML"),
        ({"headers": b"X-Number: 5"}, NAMED, "put numbers into quotes"),
        ({"token": b"\xff"}, NAMED, "'token' in the Secret is not UTF-8 text"),
        ({"address": b"x" * 3000}, NAMED, "longer than 2048"),
        ({}, {"certSecretRef": {"name": "s"}}, "has neither 'ca.crt' nor"),
        ({}, {"proxySecretRef": {"name": "s"}}, "key 'address' not found"),
    ],
)
async def test_a_secret_that_makes_no_sense_is_told(
    desk: Desk, secret: dict[str, bytes], spec: dict[str, Any], what: str
) -> None:
    desk.secret("s", **secret)

    with pytest.raises(Undeliverable) as caught:
        await destination(desk, **spec)

    assert what in str(caught.value)
