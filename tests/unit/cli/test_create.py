from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import asyncssh
import pytest
import yaml
from aiohttp import web

from engine.api.notification import ReceiverType
from engine.cli import create_provider, create_receiver
from engine.plugin import load
from tests.support.scripted_api import ScriptedApi, json, status
from tests.unit.cli.conftest import Lockstep
from tests.unit.cli.listings import watched

Call = Callable[..., Any]
RECEIVERS = "/apis/notification.toolkit.fluxcd.io/v1/namespaces/flux-system/receivers"
KS = "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux-system/kustomizations"
ALERTS = "/apis/notification.toolkit.fluxcd.io/v1beta3/namespaces/flux-system/alerts"
RECEIVER = (
    *("create", "receiver", "ci", "--type", "github", "--secret-ref", "token"),
    *("--resource", "GitRepository/fleet"),
)
ALERT = ("create", "alert", "drift", "--provider-ref", "s", "--event-source", "Kustomization/apps")


def shown(call: Call, *arguments: str) -> Any:
    ended = call(*arguments, "--export")
    assert ended.status == 0, ended.err
    return yaml.safe_load(ended.out)


def serve(api: ScriptedApi, path: str, **answer: Any) -> None:
    """An engine that makes what is created ready at once."""

    async def create(request: web.Request) -> web.StreamResponse:
        obj = await request.json()
        obj["metadata"] |= {"generation": 1, "resourceVersion": "1", "uid": "x"}

        async def list_it(_: web.Request) -> web.StreamResponse:
            condition = {"type": "Ready", "status": "True", "reason": "Succeeded", "message": "yes"}
            now = {"conditions": [{**condition, "observedGeneration": 1}], **answer}
            items = {"items": [{**obj, "status": now}], "metadata": {"resourceVersion": "5"}}
            return web.json_response(items)

        api.on("GET", path, watched(list_it))
        return web.json_response(obj, status=201)

    api.on("POST", path, create)


def test_the_helps_name_the_types_that_are_served(call: Call) -> None:
    plugins = load()

    assert set(get_args(ReceiverType)) - set(plugins.receivers) == set(create_receiver.ELSEWHERE)
    assert set(create_provider.SERVED) == set(plugins.notifiers)


def test_a_type_that_only_flux_serves_is_made_with_a_warning(call: Call) -> None:
    receiver = call(*("gcr" if word == "github" else word for word in RECEIVER), "--export")
    provider = call("create", "alert-provider", "chat", "--type", "discord", "--export")

    for ended, type_ in ((receiver, "gcr"), (provider, "discord")):
        assert (ended.status, yaml.safe_load(ended.out)["spec"]["type"]) == (0, type_)
        assert f"type {type_} is only served by Flux's own notification-controller" in ended.err


async def test_what_is_made_is_waited_for(api: ScriptedApi, lockstep: Lockstep) -> None:
    serve(api, RECEIVERS, webhookPath="/hook/abc")
    ended = await lockstep(*RECEIVER)

    assert ended.out.splitlines() == [
        "✔ Receiver ci is ready",
        "✔ generated webhook URL /hook/abc",
    ]
    assert ended.err.splitlines() == [
        "✚ generating Receiver",
        "► applying Receiver",
        "✔ Receiver created",
        "◎ waiting for Receiver reconciliation",
    ]
    (post,) = api.asked("POST")
    assert post.query == {"fieldManager": "flux"}


async def test_a_kustomization_says_what_it_applied(api: ScriptedApi, lockstep: Lockstep) -> None:
    serve(api, KS, lastAppliedRevision="main@sha1:1")
    ended = await lockstep("create", "ks", "apps", "--source", "fleet", "--prune")

    assert ended.out.splitlines()[-1] == "✔ applied revision main@sha1:1"


async def test_of_what_is_there_the_spec_is_replaced_and_labels_of_others_stay(
    api: ScriptedApi, lockstep: Lockstep
) -> None:
    metadata = {"name": "drift", "namespace": "flux-system", "uid": "u", "labels": {"other": "x"}}
    api.on("GET", f"{ALERTS}/drift", json({"metadata": metadata, "spec": {"suspend": True}}))
    api.on("PATCH", f"{ALERTS}/drift", json({"metadata": metadata}))
    ended = await lockstep(*ALERT, "--label", "team=a")

    assert "✔ Alert updated" in ended.err
    (patch,) = api.asked("PATCH")
    assert patch.headers["Content-Type"] == "application/json-patch+json"
    spec = {
        "providerRef": {"name": "s"},
        "eventSources": [{"kind": "Kustomization", "name": "apps"}],
    }
    assert patch.body == [
        {"op": "test", "path": "/metadata/uid", "value": "u"},
        {"op": "add", "path": "/spec", "value": spec},
        {"op": "add", "path": "/metadata/labels", "value": {"other": "x", "team": "a"}},
    ]


async def test_a_refusal_of_the_server_is_one_line(api: ScriptedApi, lockstep: Lockstep) -> None:
    api.on("POST", ALERTS, status(403, "alerts is forbidden", reason="Forbidden"))
    ended = await lockstep(*ALERT)

    assert ended.status == 1
    assert "Error: alerts is forbidden; ask for that permission" in ended.err


@pytest.mark.parametrize(
    ("label", "problem"),
    [
        ("a", "invalid label format 'a', must be key=value"),
        ("a=b=c", "invalid label format"),
        ("-a=b", "invalid label '-a=b'"),
        ("a=b c", "invalid label 'a=b c'"),
    ],
)
def test_a_label_that_kubernetes_refuses_is_refused(call: Call, label: str, problem: str) -> None:
    ended = call(*ALERT, "--label", label, "--export")

    assert ended.status == 2
    assert problem in ended.err


def test_everything_that_may_be_said_of_a_kustomization(call: Call) -> None:
    obj = shown(
        call,
        *("create", "kustomization", "apps", "--source", "ocirepository/fleet.shared"),
        *("--path", "./apps", "--prune=false", "--interval", "10m", "--retry-interval", "1m"),
        *("--depends-on", "a,ns/b", "--health-check", "HelmRelease/web.shop"),
        *("--health-check-timeout", "3m", "--service-account", "sa", "--target-namespace", "t"),
        *("--decryption-provider", "sops", "--decryption-secret", "keys"),
        *("--kubeconfig-secret-ref", "kc", "--label", "a=b,c=d", "-n", "shop"),
    )

    assert obj["metadata"] == {
        "name": "apps",
        "namespace": "shop",
        "labels": {"a": "b", "c": "d"},
    }
    assert obj["spec"] == {
        "interval": "10m0s",
        "retryInterval": "1m0s",
        "timeout": "3m0s",
        "path": "./apps",
        "prune": False,
        "sourceRef": {"kind": "OCIRepository", "name": "fleet", "namespace": "shared"},
        "dependsOn": [{"name": "a"}, {"name": "b", "namespace": "ns"}],
        "healthChecks": [
            {
                "apiVersion": "helm.toolkit.fluxcd.io/v2",
                "kind": "HelmRelease",
                "name": "web",
                "namespace": "shop",
            }
        ],
        "serviceAccountName": "sa",
        "targetNamespace": "t",
        "decryption": {"provider": "sops", "secretRef": {"name": "keys"}},
        "kubeConfig": {"secretRef": {"name": "kc"}},
    }


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--health-check", "Deployment/web"), "must be in the format 'kind/name.namespace'"),
        (("--health-check", "Pod/web.x"), "invalid health check kind 'Pod'"),
        (("--decryption-secret", "x"), "--decryption-secret needs --decryption-provider"),
    ],
)
def test_what_a_kustomization_cannot_have_is_refused(
    call: Call, arguments: tuple[str, ...], problem: str
) -> None:
    ended = call("create", "ks", "apps", "--source", "fleet", *arguments, "--export")

    assert ended.status == 2
    assert problem in ended.err


@pytest.mark.parametrize(
    ("arguments", "reference"),
    [
        (("--branch", "main"), {"branch": "main"}),
        (("--branch", "main", "--tag", "v1"), {"tag": "v1"}),
        (("--tag", "v1", "--tag-semver", ">=1"), {"semver": ">=1"}),
        (("--ref-name", "refs/pull/1/head"), {"name": "refs/pull/1/head"}),
        (("--branch", "main", "--commit", "abc"), {"branch": "main", "commit": "abc"}),
    ],
)
def test_of_several_references_the_most_exact_one_counts(
    call: Call, arguments: tuple[str, ...], reference: dict[str, str]
) -> None:
    obj = shown(call, "create", "source", "git", "fleet", "--url", "https://h/x", *arguments)

    assert obj["spec"]["ref"] == reference


def test_a_repository_over_ssh_needs_a_secret_unless_it_is_printed(call: Call) -> None:
    command = ("create", "source", "git", "fleet", "--url", "ssh://git@h/x", "--branch", "main")

    assert "needs --secret-ref: `lockstep create secret git`" in call(*command).err
    assert shown(call, *command)["spec"]["url"] == "ssh://git@h/x"


def test_a_token_is_made_at_random(call: Call) -> None:
    command = ("create", "secret", "receiver", "ci", "--type", "gcr", "--hostname", "h.example.com")
    first = shown(call, *command, "--email-claim", "a@b")
    second = shown(call, *command, "--email-claim", "a@b")

    assert len(first["stringData"]["token"]) == 64
    assert first["stringData"]["token"] != second["stringData"]["token"]
    url = first["metadata"]["annotations"]["notification.toolkit.fluxcd.io/webhook"]
    assert first["stringData"] | {"token": ""} == {"token": "", "email": "a@b", "audience": url}
    assert call(*command).status == 2


@pytest.mark.parametrize(
    ("options", "algorithm"),
    [
        ((), "ecdsa-sha2-nistp384"),
        (("--ssh-key-algorithm", "ed25519"), "ssh-ed25519"),
        (("--ssh-ecdsa-curve", "p521"), "ecdsa-sha2-nistp521"),
        (("--ssh-key-algorithm", "rsa"), "ssh-rsa"),
    ],
)
def test_a_key_is_made_for_ssh(
    call: Call, tmp_path: Path, options: tuple[str, ...], algorithm: str
) -> None:
    known = tmp_path / "known_hosts"
    known.write_text("h ssh-ed25519 AAAA\n")
    command = ("create", "secret", "git", "login", "--url", "ssh://git@h/x")
    data = shown(call, *command, "--known-hosts-file", str(known), *options)["stringData"]

    key = asyncssh.import_private_key(data["identity"])
    assert data["identity.pub"].split()[:2] == key.export_public_key().decode().split()[:2]
    assert data["identity.pub"].startswith(f"{algorithm} ")
    assert data["known_hosts"] == known.read_text()


@pytest.mark.slow
def test_a_key_that_there_is_is_taken_with_its_password(call: Call, tmp_path: Path) -> None:
    key, known = tmp_path / "id", tmp_path / "known_hosts"
    key.write_bytes(
        asyncssh.generate_private_key("ssh-ed25519").export_private_key(
            passphrase="word", rounds=50
        )
    )
    known.write_text("h ssh-ed25519 AAAA\n")
    command = (
        *("create", "secret", "git", "login", "--url", "ssh://git@h/x"),
        *("--private-key-file", str(key), "--known-hosts-file", str(known), "--export"),
    )
    data = yaml.safe_load(call(*command, "--password", "word").out)["stringData"]
    wrong = call(*command, "--password", "other")

    assert data["password"] == "word"
    assert data["identity"] == key.read_text()
    assert wrong.status == 1
    assert f"{key}: not a private key that can be read" in wrong.err
    assert "Traceback" not in wrong.err


async def test_a_server_is_asked_for_its_key(lockstep: Lockstep) -> None:
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    server = await asyncssh.listen("127.0.0.1", 0, server_host_keys=[host_key])
    async with server:
        port = server.get_port()
        url = f"ssh://git@127.0.0.1:{port}/x"
        ended = await lockstep("create", "secret", "git", "login", "--url", url, "--export")

    known = yaml.safe_load(ended.out)["stringData"]["known_hosts"]
    public = " ".join(host_key.export_public_key().decode().split()[:2])
    assert known == f"[127.0.0.1]:{port} {public}\n"
    assert host_key.get_fingerprint() in ended.err


def test_a_server_that_is_not_there_is_one_line(call: Call) -> None:
    ended = call("create", "secret", "git", "x", "--url", "ssh://git@127.0.0.1:1/x", "--export")

    assert ended.status == 1
    assert "127.0.0.1:1 does not show its ssh key" in ended.err
    assert "--known-hosts-file needs no look" in ended.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--url", "https://h/x", "--username", "u", "--password", "p", "--bearer-token", "t"),
        ("--url", "https://h/x", "--username", "u"),
        ("--url", "ftp://h/x"),
    ],
)
def test_a_login_that_makes_no_sense_is_refused(call: Call, arguments: tuple[str, ...]) -> None:
    assert call("create", "secret", "git", "x", *arguments, "--export").status == 2


def test_an_authority_goes_with_the_login(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "ca.crt"
    path.write_text("PEM")
    command = ("create", "secret", "git", "x", "--url", "https://h/x", "--bearer-token", "t")

    data = shown(call, *command, "--ca-crt-file", str(path))["stringData"]
    assert data == {"bearerToken": "t", "ca.crt": "PEM"}
