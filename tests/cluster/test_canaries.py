"""Canaries in every place that holds a secret, in a busy run with failures: none may show.

What is shown to people and machines is collected as in test_secrets_masked.py, which has the
credentials of sources and what the API server refuses; here are keys, encrypted files, other
clusters, variables that drift, and URLs.
"""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from engine.app import reachable
from engine.objects.manifests import dump
from plugins import PLUGIN
from tests.cluster.test_drift import event
from tests.cluster.test_secrets_masked import (
    Canaries,
    all_that_shows,
    encoded,
    said_in_spans,
    secret,
)
from tests.support.fleet import (
    Files,
    Fleet,
    condition_of,
    config_map,
    content,
    is_ready,
)
from tests.support.observing import logged, notified, traced
from tests.support.sealing import Person, Seal
from tests.support.showing import answers, parrot, printed, put_provider, put_receivers

ME, STRANGER = Person(), Person()
SOPS = {"decryption": {"provider": "sops", "secretRef": {"name": "keys"}}}
VARIABLES = {"postBuild": {"substituteFrom": [{"kind": "Secret", "name": "variables"}]}}

VARIABLE = {
    "a": "${PASSWORD}",
    "upper": "${PASSWORD^^}",
    "part": "x-${PASSWORD:0:14}",
    "start": "${PASSWORD:0:8}",
    "replaced": "${PASSWORD/variable/other}",
    "default": "${NONE:-${PASSWORD,,}}",
}
"""What substitution makes of one value of a Secret: `made_of` knows the texts."""


def made_of(value: str) -> dict[str, str]:
    """What VARIABLE becomes."""
    return {
        "a": value,
        "upper": value.upper(),
        "part": f"x-{value[:14]}",
        "start": value[:8],
        "replaced": value.replace("variable", "other", 1),
        "default": value.lower(),
    }


def sealed(obj: dict[str, Any], regex: str, person: Person = ME) -> str:
    return Seal([person], regex).yaml(obj).decode()


def tampered(text: str) -> str:
    """The file with a value that was put in by somebody without the key."""
    return text.replace("kind: Secret", "kind: Secret\nimmutable: true", 1)


def broken(canary: Canaries, fleet: Fleet) -> tuple[dict[str, Files], dict[str, Any]]:
    """By Kustomization: its files, and what its spec has beside the usual."""
    password = canary("decrypted value")
    login = secret("login", stringData={"password": password})
    port = {"port": canary("decrypted number"), "name": "x"}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "svc"},
        "spec": {"ports": [port]},
    }
    url = f"http://user:{quote(canary('password of a base'), safe='')}@127.0.0.1:1/base//app?ref=v1"
    files: dict[str, Files] = {
        "tampered": {"x.yaml": tampered(sealed(login, "^stringData$"))},
        "stranger": {"x.yaml": sealed(login, "^stringData$", STRANGER)},
        "not-yaml": {
            "x.yaml": Seal([ME]).binary(f"a: [{canary('decrypted text')}\nb: }}").decode(),
            "kustomization.yaml": {"resources": ["x.yaml"]},
        },
        "refused": {"x.yaml": sealed(service, "^port$")},
        "base": {"kustomization.yaml": {"resources": [url]}},
        "variable": {"x.yaml": {**service, "spec": {"ports": [{**port, "port": "${PASSWORD}"}]}}},
        "remote": {"x.yaml": config_map("remote")},
        "remote-odd": {"x.yaml": config_map("remote")},
    }
    specs: dict[str, Any] = dict.fromkeys(("tampered", "stranger", "not-yaml", "refused"), SOPS)
    specs |= {
        "base": {},
        "variable": VARIABLES,
        "remote": {"kubeConfig": {"secretRef": {"name": "kubeconfig"}}},
        "remote-odd": {"kubeConfig": {"secretRef": {"name": "kubeconfig-odd"}}},
    }
    return files, specs


def kubeconfig(token: str, password: str) -> dict[str, Any]:
    """Of a cluster that nobody can reach."""
    user = {"token": token, "username": "admin", "password": password}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "c", "user": user}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    }


async def put_secrets(canary: Canaries, fleet: Fleet) -> None:
    canary.values |= {"age key": ME.secret, "age key of a stranger": STRANGER.secret}
    config = dump(kubeconfig(canary("token of a kubeconfig"), canary("its password")))
    odd = f"users: [{{token: {canary('token of an odd kubeconfig')}\n"
    pem = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{canary('ssh key')}\n-----END"
    secrets = {
        "keys": {
            "a.agekey": ME.key_file.decode(),
            "b.asc": canary("broken OpenPGP key"),
            "sops.vault-token": canary("vault token"),
        },
        "variables": {"PASSWORD": canary("variable")},
        "kubeconfig": {"value": config},
        "kubeconfig-odd": {"value": odd},
        "ssh": {"identity": pem, "password": canary("passphrase"), "known_hosts": "x ssh-rsa AAAA"},
        "proxy": {
            "address": "http://127.0.0.1:1",
            "username": "proxy",
            "password": canary("proxy password"),
        },
    }
    resource = await fleet.resource("Secret")
    for name, values in secrets.items():
        data = {key: encoded(value) for key, value in values.items()}
        await fleet.client.create(resource, secret(name, data=data), fleet.namespace)


async def put_sources(fleet: Fleet) -> list[str]:
    """GitRepositories that cannot be fetched with what their Secrets hold."""
    await fleet.source("ssh", url="ssh://git@127.0.0.1:1/fleet", secretRef={"name": "ssh"})
    await fleet.source("proxied", proxySecretRef={"name": "proxy"})
    return ["ssh", "proxied"]


async def put_providers(canary: Canaries, fleet: Fleet, posts: str, echo: str) -> None:
    """One that is told everything, and such as repeat what they were sent."""
    headers = f"X-Login: {canary('header of a chat')}"
    await put_provider(fleet, "told", "generic", {"address": f"{posts}/", "headers": headers})
    token, hidden = canary("token of a chat"), quote(canary("address of a chat"), safe="")
    for kind in ("generic-hmac", "slack"):
        values = {"address": f"{echo}/services/{hidden}", "token": token, "headers": headers}
        await put_provider(fleet, kind, kind, values)


def checked_out(folder: Path, files: Files) -> Path:
    """The files, as a person has them on disk."""
    for name, value in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content(value) or b"")
    return folder


def has_failed(obj: Any) -> bool:
    return condition_of(obj).get("status") == "False"


@pytest.mark.limit(120)
async def test_no_canary_shows_in_a_busy_run_with_failures(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = Canaries()
    monkeypatch.setenv("SOPS_AGE_KEY", ME.secret)  # commands decrypt, too
    files, specs = broken(canary, fleet)
    token = canary("decrypted value in a ConfigMap")
    committed: Files = {
        "good/stored.yaml": sealed(
            secret("stored", stringData={"a": canary("stored")}), "^stringData$"
        ),
        "good/open.yaml": sealed(config_map("open", token=token), "^data$"),
        "good/variable.yaml": config_map("variable", **VARIABLE),
        "good/plain.yaml": secret("plain", stringData={"a": canary("in plain text")}),
        **{f"{n}/{path}": file for n, each in files.items() for path, file in each.items()},
    }
    fleet.commit(committed)
    await put_secrets(canary, fleet)
    await put_receivers(fleet, canary("token of a webhook"))
    await fleet.source()
    for name, spec in {**specs, "good": {**SOPS, **VARIABLES}}.items():
        await fleet.kustomization(name, path=f"./{name}", retryInterval="2s", timeout="5s", **spec)
    repositories = await put_sources(fleet)

    with logged("trace") as log, traced() as traces:
        async with notified() as posts, parrot() as echo:
            await put_providers(canary, fleet, posts.url, echo)
            async with fleet.engine(plugins=PLUGIN) as state:
                await fleet.until("Kustomization", "good", is_ready)
                await drift(canary, fleet, token)
                for name in specs:
                    await fleet.until("Kustomization", name, has_failed)
                for name in repositories:
                    await fleet.until("GitRepository", name, has_failed)
                for name in ("stranger", "good"):
                    await fleet.request("Kustomization", name, "now")
                await fleet.until("Kustomization", "good", is_ready)
                await event(fleet, "failed to send notification")
                shown = await all_that_shows(fleet, state)
                webhooks = f"http://{reachable(state.addresses['webhooks'])}"
                shown |= await answers(fleet, canary("token of a webhook"), webhooks)
                checkout = checked_out(tmp_path / "checkout", committed)
                shown |= await printed(fleet, checkout, ["tampered", "refused", "variable", "good"])
        shown |= {"spans": said_in_spans(traces), "posts": str([each.body for each in posts.seen])}
    shown["log"] = log.getvalue()

    assert {where: canary.shown_in(text) for where, text in shown.items()} == {
        where: [] for where in shown
    }
    assert "drift of ConfigMap" in shown["posts"]
    assert sum("***" in text for where, text in shown.items() if "lockstep" in where) > 5


async def drift(canary: Canaries, fleet: Fleet, token: str) -> None:
    """Somebody edits what holds secrets; returns once all is as it was."""
    edited = canary("edited by hand")
    await fleet.patch("Secret", "stored", {"data": {"a": encoded(edited)}})
    await fleet.patch("ConfigMap", "open", {"data": {"token": "edited"}})
    made = made_of(canary("variable"))
    canary.values |= {f"made of it, {key}": text.removeprefix("x-") for key, text in made.items()}
    await fleet.patch("ConfigMap", "variable", {"data": dict.fromkeys(made, "edited")})
    right = {"open": {"token": token}, "variable": made}
    for name, values in right.items():

        def is_right(obj: Any, values: dict[str, str] = values) -> bool:
            return bool(obj["data"] == values)

        await fleet.until("ConfigMap", name, is_right)

    def is_restored(obj: Any) -> bool:
        return bool(obj["data"]["a"] == encoded(canary("stored")))

    await fleet.until("Secret", "stored", is_restored)
