from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from aiohttp import web

from engine.cli.global_flags import FLAGS, PARAMETERS, relocated
from engine.cli.go_flags import FluxCommand
from engine.cli.main import group
from tests.support.scripted_api import ScriptedApi, json
from tests.unit.cli.conftest import Ended, Lockstep
from tests.unit.cli.listings import listing
from tests.unit.cli.test_get import GROUP, kustomization

Call = Callable[..., Ended]
LIST = f"{GROUP}/namespaces/team-a/kustomizations"


def leaves(command: click.Command, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if not isinstance(command, click.Group):
        yield path, command
        return
    ctx = click.Context(command)
    for name in command.list_commands(ctx):
        below = command.get_command(ctx, name)
        assert below is not None
        yield from leaves(below, *path, name)


def test_who_takes_the_global_flags_takes_a_timeout_and_values_of_switches() -> None:
    for path, command in leaves(group):
        names = {each.name for each in command.params}
        if names & PARAMETERS:
            assert {"seconds", "namespace", "context", "kubeconfig"} <= names, path
            assert isinstance(command, FluxCommand), path


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("-n a get ks", "get -n a ks"),
        ("-na --context=b get ks -n c", "get -na --context=b ks -n c"),
        ("--as x create -n a source git g --export", "create source git --as x -n a g --export"),
        ("--verbose --kube-api-qps 5 get", "get --verbose --kube-api-qps 5"),
        ("get ks -n a", "get -n a ks"),
        ("--version", "--version"),
        ("get --help", "get --help"),
        ("--nonsense get", "--nonsense get"),
        ("-n", "-n"),
        ("", ""),
    ],
)
def test_flags_before_a_command_are_the_commands(given: str, wanted: str) -> None:
    assert sorted(relocated(group, click.Context(group), given.split())) == sorted(wanted.split())
    assert relocated(group, click.Context(group), given.split())[:1] == wanted.split()[:1]


def recording(api: ScriptedApi) -> list[list[tuple[str, str]]]:
    """Gets of each request for Kustomizations the headers that say who asks, and as whom."""
    found: list[list[tuple[str, str]]] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        names = ("impersonate", "authorization")
        pairs = request.headers.items()
        found.append([(n.lower(), v) for n, v in pairs if n.lower().startswith(names)])
        return await listing(kustomization("apps", namespace="team-a"))(request)

    api.on("GET", LIST, answer)
    return found


async def test_as_and_as_group_really_impersonate(api: ScriptedApi, lockstep: Lockstep) -> None:
    found = recording(api)
    who = ("--as", "ada", "--as-group", "devs", "--as-group=ops", "--as-uid", "7")
    extra = ("--as-user-extra", "Scopes/x=a", "--as-user-extra", "Scopes/x=b")
    ended = await lockstep("-n", "team-a", *who, "get", "ks", *extra, "--token", "secret")

    assert (ended.status, ended.err) == (0, "")
    assert sorted(found[0]) == [
        ("authorization", "Bearer secret"),
        ("impersonate-extra-scopes%2fx", "a"),
        ("impersonate-extra-scopes%2fx", "b"),
        ("impersonate-group", "devs"),
        ("impersonate-group", "ops"),
        ("impersonate-uid", "7"),
        ("impersonate-user", "ada"),
    ]


async def test_groups_need_a_user(lockstep: Lockstep) -> None:
    ended = await lockstep("--as-group", "devs", "get", "ks")

    assert (ended.status, ended.out) == (2, "")
    assert "--as-group, --as-uid and --as-user-extra need --as" in ended.err


async def test_the_server_may_be_another_one(
    api: ScriptedApi,
    call: Call,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lockstep: Lockstep,
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG")
    recording(api)
    ended = await lockstep("get", "ks", "-n", "team-a", "--server", api.url)

    assert ended.status == 0, ended.err


async def test_the_namespace_may_be_the_contexts(
    api: ScriptedApi, lockstep: Lockstep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "kubeconfig.yaml"
    config: dict[str, Any] = yaml.safe_load(path.read_text())
    config["contexts"][0]["context"]["namespace"] = "team-a"
    path.write_text(yaml.safe_dump(config))
    found = recording(api)
    flag = await lockstep("get", "ks", "--ns-follows-kube-context")
    monkeypatch.setenv("FLUX_NS_FOLLOWS_KUBE_CONTEXT", "1")
    variable = await lockstep("get", "ks")
    api.on("GET", LIST.replace("team-a", "team-b"), json({"items": [], "metadata": {}}))
    given = await lockstep("get", "ks", "-n", "team-b")

    assert (flag.status, variable.status) == (0, 0)
    assert len(found) == 2
    assert '"team-b"' in given.err


def test_a_namespace_is_a_label(call: Call) -> None:
    ended = call("get", "ks", "-n", "Team_A")

    assert ended.status == 2
    assert 'namespace must be a valid DNS label: "Team_A"' in ended.err


def test_a_flag_of_the_command_goes_before_the_global_one(call: Call) -> None:
    ended = call(
        *("--token", "word", "create", "secret", "receiver", "hook"),
        *("--type", "github", "--hostname", "h", "--export"),
    )

    assert ended.status == 0, ended.err
    assert "token: word" in ended.out


def test_the_help_lists_what_has_an_effect(call: Call) -> None:
    out = call("--help").out

    for flag in FLAGS:
        assert (f"--{flag.name} " in out) == flag.has_effect
