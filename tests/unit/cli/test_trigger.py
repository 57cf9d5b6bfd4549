import hmac
from hashlib import sha256

import pytest

from engine.cli.trigger import webhook_path
from tests.support.scripted_api import ScriptedApi, cut, json, status
from tests.unit.cli.conftest import Lockstep

PATH = webhook_path("token", "ci", "flux-system")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


async def call(api: ScriptedApi, lockstep: Lockstep, *arguments: str) -> tuple[int, str, str]:
    """How it ended; there is no pause between tries."""
    where = ("--url", api.url, "--retry-delay", "0s")
    ended = await lockstep("trigger", "receiver", "ci", *where, *arguments)
    return ended.status, ended.out, ended.err


def test_the_path_is_that_of_flux() -> None:
    digest = sha256(b"tokenciflux-system").hexdigest()

    assert f"/hook/{digest}" == PATH


async def test_a_webhook_is_called(api: ScriptedApi, lockstep: Lockstep) -> None:
    api.on("POST", PATH, json({}))
    ended = await call(api, lockstep, "--token", "token", "--payload", '{"image": "web"}')

    assert ended == (
        0,
        "✔ Receiver flux-system/ci triggered\n",
        "► triggering Receiver flux-system/ci\n",
    )
    (seen,) = api.asked("POST")
    assert seen.body == {"image": "web"}
    assert "X-Signature" not in seen.headers


async def test_a_call_is_signed(api: ScriptedApi, lockstep: Lockstep) -> None:
    api.on("POST", PATH, json({}))
    await call(api, lockstep, "--token", "token", "--type", "generic-hmac")

    (seen,) = api.asked("POST")
    wanted = hmac.new(b"token", b"{}", sha256).hexdigest()
    assert seen.headers["X-Signature"] == f"sha256={wanted}"


async def test_a_call_carries_the_token_of_a_job(
    api: ScriptedApi, lockstep: Lockstep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLUX_TRIGGER_RECEIVER_OIDC_TOKEN", "jwt")
    api.on("POST", webhook_path("", "ci", "flux-system"), json({}))
    await call(api, lockstep, "--type", "generic-oidc")

    assert api.asked("POST")[0].headers["Authorization"] == "Bearer jwt"


async def test_it_is_tried_again_while_the_path_is_not_known(
    api: ScriptedApi, lockstep: Lockstep
) -> None:
    api.on("POST", PATH, status(404), cut, status(503), json({}))
    code, out, err = await call(api, lockstep, "--token", "token")

    assert (code, out) == (0, "✔ Receiver flux-system/ci triggered\n")
    assert err.count("retrying in 0s") == 3
    assert len(api.asked("POST")) == 4


async def test_it_gives_up_and_says_what_may_be_wrong(api: ScriptedApi, lockstep: Lockstep) -> None:
    api.on("POST", PATH, status(404))
    code, _, err = await call(api, lockstep, "--token", "token", "--retries", "1")

    assert code == 1
    assert len(api.asked("POST")) == 2
    assert "Error: the webhook answered 404" in err
    assert "is the token right, and the Receiver ready?" in err
    assert PATH not in err


async def test_what_is_refused_is_not_tried_again(api: ScriptedApi, lockstep: Lockstep) -> None:
    api.on("POST", PATH, status(400, "bad signature"))
    code, _, err = await call(api, lockstep, "--token", "token")

    assert code == 1
    assert len(api.asked("POST")) == 1
    assert "bad signature" in err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "--token is required for --type=generic"),
        (("--type", "generic-oidc"), "no OIDC token provided"),
        (("--type", "generic-oidc", "--token", "x"), "--token must not be set"),
        (("--token", "x", "--oidc-token", "y"), "--oidc-token can only be set"),
        (("--type", "svn", "--token", "x"), "'svn' is not one of"),
    ],
)
async def test_what_cannot_be_meant_is_refused(
    api: ScriptedApi, lockstep: Lockstep, arguments: tuple[str, ...], problem: str
) -> None:
    code, _, err = await call(api, lockstep, *arguments)

    assert code == 2
    assert problem in err
    assert api.asked("POST") == []
