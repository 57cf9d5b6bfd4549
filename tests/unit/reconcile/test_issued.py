import pytest

from engine.cluster.connect import InvalidKubeconfig
from engine.cluster.errors import Unauthorized
from engine.plugin import (
    Context,
    Plugin,
    Purpose,
    Scope,
    ServiceAccount,
    Token,
    TokenUnavailable,
)
from engine.reconcile.issued import Issued, api_address
from engine.settings import Settings
from tests.support.build import config
from tests.support.clock import ManualClock
from tests.support.reconciling import Workshop


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("k8s.example", "https://k8s.example:443"),
        ("https://K8S.example:6443", "https://k8s.example:6443"),
        ("[fd00::1]:6443", "https://[fd00::1]:6443"),
    ],
)
def test_an_address_is_https_with_a_port(given: str, url: str) -> None:
    assert api_address(given, "apps/there") == url


@pytest.mark.parametrize("given", ["", "http://k8s.example", "https://me@k8s", "https://k8s:x"])
def test_another_address_is_refused(given: str) -> None:
    with pytest.raises(InvalidKubeconfig, match="configmap 'apps/there': "):
        api_address(given, "apps/there")


class Issuer:
    """Numbers its tokens; each lasts an hour."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.count = 0
        self.is_away = False
        self.credentials = Issued(self.ask, self.clock)

    async def ask(self) -> Token:
        if self.is_away:
            raise TokenUnavailable("the cloud says no")
        self.count += 1
        return Token(secret=f"t{self.count}", expires_at=self.clock.wall() + 3600)

    async def token(self) -> str:
        headers = await self.credentials.headers(self.clock.monotonic())
        return headers["Authorization"].removeprefix("Bearer ")


async def test_a_token_is_used_for_most_of_its_time() -> None:
    issuer = Issuer()
    seen = [await issuer.token()]
    for seconds in (2879, 2, 2879):
        await issuer.clock.advance(seconds)
        seen.append(await issuer.token())

    assert seen == ["t1", "t1", "t2", "t2"]


async def test_a_refused_token_is_renewed_once_however_many_requests_were_refused() -> None:
    issuer = Issuer()
    sent = {"Authorization": f"Bearer {await issuer.token()}"}
    for _ in range(5):
        issuer.credentials.refused(sent)
        await issuer.token()

    assert issuer.count == 2


async def test_what_the_cloud_says_is_told() -> None:
    issuer = Issuer()
    issuer.is_away = True
    with pytest.raises(Unauthorized, match="the cloud says no"):
        await issuer.token()


class Asked:
    """An identity that notes for whom and what a token was asked, and gives none."""

    def __init__(self) -> None:
        self.seen: list[tuple[ServiceAccount | None, Scope]] = []

    async def __call__(self, account: ServiceAccount | None, scope: Scope, _: Context) -> Token:
        self.seen.append((account, scope))
        raise TokenUnavailable("not today")


async def entered(settings: Settings, **described: str) -> tuple[Workshop, Asked]:
    """What became of a Kustomization whose ConfigMap says that."""
    asked = Asked()
    identities = dict.fromkeys(("aws", "generic"), asked)
    shop = Workshop(settings=settings, plugins=Plugin("test", identities=identities))
    shop.client.put(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "there", "namespace": "flux"},
            "data": described,
        }
    )
    shop.source("r1", a=config("a"))
    shop.kustomization(kubeConfig={"configMapRef": {"name": "there"}})
    await shop.run()
    return shop, asked


async def test_the_config_map_says_which_cluster_and_who_enters() -> None:
    shop, asked = await entered(
        Settings(), provider="aws", cluster="arn:aws:eks:x", **{"ca.crt": "PEM"}
    )

    [(account, scope)] = asked.seen
    assert account is None
    assert scope == Scope(Purpose.CLUSTER, "arn:aws:eks:x", ca=b"PEM")
    assert shop.said().startswith(
        "False ReconciliationFailed: failed to build kube client: not today"
    )


async def test_a_generic_token_is_for_the_address_unless_audiences_are_named() -> None:
    _, asked = await entered(Settings(), provider="generic", address="k8s.example")

    assert asked.seen[0][1].audiences == ("k8s.example",)


async def test_no_token_of_the_engine_itself_is_made_for_another_audience() -> None:
    described = {"provider": "generic", "address": "evil.example", "audiences": "kubernetes"}
    shop, asked = await entered(Settings(), **described)

    assert asked.seen == []
    assert "name a service account in serviceAccountName" in shop.said()
