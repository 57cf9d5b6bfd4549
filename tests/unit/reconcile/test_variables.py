import base64
import hashlib
from typing import Any

from engine.objects.manifests import dump
from engine.objects.ref import Object, Ref
from tests.support.reconciling import APP, Workshop


def config(name: str, **data: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "ns"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def held(kind: str, name: str, **data: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "flux"}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, "data": data}


def b64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def sources(*refs: str, **spec: Any) -> Object:
    """`Kind/name`, with `?` behind it if it may be missing."""
    found = []
    for ref in refs:
        kind, name = ref.rstrip("?").split("/")
        found.append({"kind": kind, "name": name, "optional": ref.endswith("?")})
    return {"substituteFrom": found, **spec}


async def run(shop: Workshop, post_build: Object, **data: str) -> Object | None:
    """The data of the object that was applied, None if nothing was."""
    shop.source("main@sha1:1", a=config("a", **data))
    shop.kustomization(postBuild=post_build)
    await shop.run()
    made = shop.client.objects.get(Ref("", "ConfigMap", "ns", "a"))
    return made["data"] if made else None


async def test_later_sources_win_and_the_spec_wins_over_all() -> None:
    shop = Workshop()
    shop.client.put(held("ConfigMap", "one", a="1", b="1", c="1"))
    shop.client.put(held("Secret", "two", b=b64(b"two\nlines\n"), c=b64(b"2")))

    data = await run(
        shop,
        sources("ConfigMap/one", "Secret/two", "ConfigMap/none?", substitute={"c": "\n3"}),
        a="v${a}",
        b="v${b}",
        c="v${c}",
    )

    assert data == {"a": "v1", "b": "vtwolines", "c": "v3"}


async def test_each_is_read_once_a_run_however_often_it_is_named() -> None:
    shop = Workshop()
    shop.client.put(held("ConfigMap", "one", a="1"))

    await run(shop, sources("ConfigMap/one", "ConfigMap/one"), a="${a}", b="${a}")

    assert shop.client.calls.count("get ConfigMap/flux/one") == 1


async def test_all_that_is_missing_is_told_at_once() -> None:
    shop = Workshop()

    assert await run(shop, sources("ConfigMap/one", "Secret/two", "Secret/three?")) is None

    assert [line.partition(" error: ")[0] for line in shop.said().splitlines()] == [
        "False BuildFailed: substitute from 'ConfigMap/one'",
        "substitute from 'Secret/two'",
    ]


async def test_an_unset_variable_is_told_with_where_it_was_looked_for() -> None:
    shop = Workshop()
    shop.client.put(held("ConfigMap", "one", a="1"))

    assert await run(shop, sources("ConfigMap/one", "Secret/two?"), x="${b}") is None

    first, last = shop.said().splitlines()
    assert first.endswith('variable not set (strict mode): "b" at app/a.yaml:3: data.x')
    assert last == (
        "variables were looked for in spec.postBuild.substitute, ConfigMap/flux/one, "
        "Secret/flux/two (not there)"
    )


async def test_binary_values_harm_nobody_who_does_not_use_them() -> None:
    shop = Workshop()
    shop.client.put(held("Secret", "two", blob=b64(b"\xff\xfe"), a=b64(b"1")))
    binary = {**held("ConfigMap", "one"), "binaryData": {"tls.jks": b64(b"\xff")}}
    shop.client.put(binary)
    post_build = sources("Secret/two", "ConfigMap/one")

    assert await run(shop, post_build, x="v${a}") == {"x": "v1"}
    shop.source("main@sha1:2", a=config("a", x="${blob}"))
    await shop.run()

    assert "${blob}: its value is not UTF-8 text at app/a.yaml:3: data.x" in shop.said()


CANARY = "c4n4ry-Hunter2"
MADE = {
    "plain": "${pw}",
    "upper": "${pw^^}",
    "part": "x-${pw:0:6}",
    "replaced": "${pw/Hunter/Panther}",
    "default": "${none:-${pw,,}}",
    "open": "${region:-eu}",
}


async def drifted(shop: Workshop) -> str:
    """All that is said once somebody has edited what a Secret's variable became."""
    shop.client.put(held("Secret", "login", pw=b64(CANARY.encode()), region=b64(b"us")))
    shop.client.put(held("ConfigMap", "later", region="eu-1"))
    await run(shop, sources("Secret/login", "ConfigMap/later"), **MADE)
    ref = Ref("", "ConfigMap", "ns", "a")
    shop.client.put({**shop.client.objects[ref], "data": dict.fromkeys(MADE, "edited")})
    await shop.run()
    return "\n".join(shop.told())


async def test_what_is_made_of_a_secrets_value_is_in_no_event() -> None:
    shop = Workshop()

    told = await drifted(shop)

    assert '.data.upper was "***"' in told
    assert '.data.part was "***", now "x-***"' in told
    assert '.data.open was "edited", now "eu-1"' in told
    assert "c4n4ry" not in (told + str(shop.status())).lower()


async def test_a_build_that_is_remembered_still_knows_what_is_secret() -> None:
    shop = Workshop()
    await drifted(shop)

    (built,) = [shop.engine.builds.last(APP)]

    assert built is not None
    assert {CANARY, CANARY.upper(), CANARY[:6]} <= set(built.opened.values)
    assert CANARY not in repr(built.opened)


async def test_the_digest_in_the_status_cannot_be_compared_with_guesses() -> None:
    shop, other = Workshop(), Workshop()
    digests = []
    for each, uid in ((shop, "1"), (other, "2")):
        weak = held("Secret", "login", pw=b64(b"1234"))
        each.client.put({**weak, "metadata": {**weak["metadata"], "uid": uid}})
        await run(each, sources("Secret/login"), a="${pw}")
        digests.append(each.status()["history"][0]["digest"])
        guess = {**config("a", a=1234)}
        digests.append(f"sha256:{hashlib.sha256(dump(guess).encode()).hexdigest()}")

    one, guessed, another, _ = digests
    assert len({one, guessed, another}) == 3


async def test_without_a_secret_in_it_the_digest_is_that_of_the_stream() -> None:
    shop = Workshop()
    shop.client.put(held("Secret", "login", pw=b64(b"1234")))

    await run(shop, sources("Secret/login", substitute={"a": "1"}), a="${a}", b="x")

    digest = hashlib.sha256(dump(config("a", a=1, b="x")).encode()).hexdigest()
    assert shop.status()["history"][0]["digest"] == f"sha256:{digest}"
