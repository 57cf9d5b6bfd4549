from typing import Any

import pytest

from engine.cluster.connect import InvalidKubeconfig, locate
from engine.cluster.kubeconfig import parse
from engine.cluster.overrides import Overrides, overridden

CONFIG: dict[str, Any] = {
    "clusters": [
        {"name": "one", "cluster": {"server": "http://one", "proxy-url": "http://p:1"}},
        {"name": "two", "cluster": {"server": "http://two"}},
    ],
    "users": [
        {"name": "ada", "user": {"tokenFile": "/nowhere", "as": "somebody"}},
        {"name": "bob", "user": {"token": "bobs"}},
    ],
    "contexts": [
        {"name": "it", "context": {"cluster": "one", "user": "ada", "namespace": "team-a"}},
        {"name": "bare", "context": {"cluster": "two"}},
    ],
    "current-context": "it",
}


async def described(overrides: Overrides, context: str = "") -> str:
    """Host, proof and namespace of the endpoint."""
    made = parse(overridden(CONFIG, context, overrides), file="f")
    headers = {**made.headers, **await made.credentials.headers(0)}
    return f"{made.host} {made.proxy} {made.namespace} {headers}"


@pytest.mark.parametrize(
    ("overrides", "context", "wanted"),
    [
        (
            Overrides(token="t"),
            "",
            "http://one http://p:1 team-a "
            "{'Impersonate-User': 'somebody', 'Authorization': 'Bearer t'}",
        ),
        (
            Overrides(server="http://x", user="bob"),
            "",
            "http://x http://p:1 team-a {'Authorization': 'Bearer bobs'}",
        ),
        (
            Overrides(cluster="two", user="bob"),
            "",
            "http://two  team-a {'Authorization': 'Bearer bobs'}",
        ),
        (Overrides(token="t"), "bare", "http://two   {'Authorization': 'Bearer t'}"),
        (Overrides(server="http://x"), "bare", "http://x   {}"),
    ],
)
async def test_what_is_given_goes_before_the_kubeconfig(
    overrides: Overrides, context: str, wanted: str
) -> None:
    assert await described(overrides, context) == wanted


@pytest.mark.parametrize(
    ("overrides", "context", "problem"),
    [
        (Overrides(cluster="three"), "", "clusters: there is no 'three'"),
        (Overrides(user="eve"), "", "users: there is no 'eve'"),
        (Overrides(token="t"), "other", "contexts: there is no 'other'"),
    ],
)
def test_what_is_named_must_be_there(overrides: Overrides, context: str, problem: str) -> None:
    with pytest.raises(InvalidKubeconfig, match=problem):
        parse(overridden(CONFIG, context, overrides), file="f")


def test_unverified_tls_forgets_the_authority() -> None:
    cluster = {"server": "https://x", "certificate-authority-data": "bm9uZQ=="}
    config = {**CONFIG, "clusters": [{"name": "one", "cluster": cluster}], "users": []}
    config["contexts"] = [{"name": "it", "context": {"cluster": "one"}}]
    made = overridden(config, "", Overrides(unverified_tls=True))

    assert made["clusters"][0]["cluster"] == {
        "server": "https://x",
        "insecure-skip-tls-verify": True,
    }


def test_files_go_before_data() -> None:
    user = {"client-certificate-data": "YQ==", "client-key-data": "Yg=="}
    config = {**CONFIG, "users": [{"name": "ada", "user": user}]}
    made = overridden(config, "", Overrides(certificate="c.pem", key="k.pem", authority="a.pem"))

    assert made["users"][0]["user"] == {"client-certificate": "c.pem", "client-key": "k.pem"}
    assert made["clusters"][0]["cluster"]["certificate-authority"] == "a.pem"


async def test_a_server_and_a_token_need_no_kubeconfig() -> None:
    made = locate(
        environment={"HOME": "/nowhere"}, overrides=Overrides(server="http://x/", token="t")
    )

    assert made.host == "http://x"
    assert await made.credentials.headers(0) == {"Authorization": "Bearer t"}
    assert "t" in made.secrets
    with pytest.raises(InvalidKubeconfig, match="no such file"):
        locate(environment={"HOME": "/nowhere"}, overrides=Overrides(token="t"))
