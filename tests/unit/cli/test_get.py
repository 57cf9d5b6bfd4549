from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import orjson
import pytest
import yaml

from tests.support.scripted_api import ScriptedApi, events, hang, json, status
from tests.unit.cli.listings import listing, watched

Lockstep: TypeAlias = Callable[..., Awaitable[Any]]

GROUP = "/apis/kustomize.toolkit.fluxcd.io/v1"
HERE = f"{GROUP}/namespaces/flux-system/kustomizations"
SHA = "0123456789abcdef0123456789abcdef01234567"


def kustomization(name: str, version: str = "1", namespace: str = "flux-system") -> dict[str, Any]:
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": name,
            "resourceVersion": version,
            "managedFields": [{"manager": "kubectl"}],
        },
        "spec": {"suspend": False},
        "status": {
            "lastAppliedRevision": f"main@sha1:{SHA}",
            "conditions": [
                {"type": "Ready", "status": "True", "message": f"Applied revision: {SHA}"}
            ],
        },
    }


async def test_kustomizations_are_a_table(api: ScriptedApi, lockstep: Lockstep) -> None:
    api.on("GET", HERE, listing(kustomization("apps"), kustomization("infrastructure")))
    ended = await lockstep("get", "ks")

    assert ended.out.splitlines() == [
        "NAME             REVISION             SUSPENDED   READY   MESSAGE",
        "apps             main@sha1:01234567   False       True    Applied revision: 01234567",
        "infrastructure   main@sha1:01234567   False       True    Applied revision: 01234567",
    ]


async def test_of_all_namespaces_the_namespace_comes_first(
    api: ScriptedApi, lockstep: Lockstep
) -> None:
    api.on("GET", f"{GROUP}/kustomizations", listing(kustomization("apps", namespace="team")))
    ended = await lockstep("get", "ks", "-A", "--no-header")

    assert ended.out.split()[:2] == ["team", "apps"]


async def test_one_object_is_shown_as_it_is_but_for_managers(
    api: ScriptedApi, lockstep: Lockstep
) -> None:
    api.on("GET", f"{HERE}/apps", json(kustomization("apps")))
    as_yaml = await lockstep("get", "ks", "apps", "-o", "yaml")
    as_json = await lockstep("get", "ks", "apps", "-o", "json")

    wanted = kustomization("apps")
    del wanted["metadata"]["managedFields"]
    assert yaml.safe_load(as_yaml.out) == orjson.loads(as_json.out) == wanted


async def test_several_objects_are_a_list(api: ScriptedApi, lockstep: Lockstep) -> None:
    api.on("GET", HERE, listing(kustomization("apps"), kustomization("infra")))
    shown = yaml.safe_load((await lockstep("get", "ks", "-o", "yaml")).out)

    assert shown["kind"] == "List"
    assert [each["metadata"]["name"] for each in shown["items"]] == ["apps", "infra"]


async def test_labels_narrow_the_list(api: ScriptedApi, lockstep: Lockstep) -> None:
    api.on("GET", HERE, listing())
    await lockstep("get", "ks", "-l", "team=a")

    assert api.asked("GET", HERE)[0].query["labelSelector"] == "team=a"


async def test_among_all_kinds_those_that_are_not_served_are_left_out(
    api: ScriptedApi, lockstep: Lockstep
) -> None:
    api.on("GET", HERE, listing(kustomization("apps")))
    ended = await lockstep("get", "all", "--no-header")

    assert ended.status == 0
    assert ended.out.startswith("kustomization/apps   main@sha1:01234567")


async def test_without_objects_of_a_kind_the_status_is_that_of_flux(
    api: ScriptedApi, lockstep: Lockstep
) -> None:
    api.on("GET", HERE, listing())
    ended = await lockstep("get", "ks")

    assert (ended.status, ended.out) == (1, "")
    assert ended.err == (
        'Error: no Kustomization objects found in "flux-system" namespace; '
        "-A looks in all of them\n"
    )


async def test_a_missing_object_is_an_error_that_names_what_comes_near(
    api: ScriptedApi, lockstep: Lockstep
) -> None:
    api.on("GET", f"{GROUP}/kustomizations", listing(kustomization("apps", namespace="team")))
    typo = await lockstep("get", "ks", "app", "-n", "team")
    other = await lockstep("get", "ks", "apps")
    nothing = await lockstep("get", "ks", "quite-different", "-n", "team")

    assert (typo.status, typo.out) == (1, "")
    assert typo.err == (
        "Error: Kustomization object 'app' not found in \"team\" namespace; there is 'apps'\n"
    )
    assert other.err.endswith('not found in "flux-system" namespace; it is in "team" (-n team)\n')
    assert nothing.err.endswith("; `lockstep get kustomization -A` lists them all\n")


async def test_who_may_not_list_is_told_what_can_be_told(
    api: ScriptedApi, lockstep: Lockstep
) -> None:
    api.on("GET", f"{GROUP}/kustomizations", status(403, "no", reason="Forbidden"))
    ended = await lockstep("get", "ks", "app")

    assert ended.err.endswith(
        'not found in "flux-system" namespace; is it in another namespace (-n)?\n'
    )


@pytest.mark.parametrize(
    ("selector", "wanted"),
    [
        ("ready=true", ["good"]),
        ("Ready=False", ["bad"]),
        ("ready!=true", ["bad", "new"]),
        ("stalled=true", []),
    ],
)
async def test_objects_are_selected_by_a_condition(
    api: ScriptedApi, lockstep: Lockstep, selector: str, wanted: list[str]
) -> None:
    bad, new = kustomization("bad"), kustomization("new")
    bad["status"] = {"conditions": [{"type": "Ready", "status": "False", "message": "broken"}]}
    del new["status"]
    api.on("GET", HERE, listing(kustomization("good"), bad, new))
    ended = await lockstep("get", "ks", "--status-selector", selector, "-o", "name")

    assert ended.status == 0
    assert ended.out.split() == [f"kustomization/{name}" for name in wanted]


async def test_a_selector_that_is_none_is_refused(lockstep: Lockstep) -> None:
    ended = await lockstep("get", "ks", "--status-selector", "ready")

    assert ended.status == 2
    assert "expected status selector in type=status or type!=status format" in ended.err


async def test_each_kind_among_all_has_a_table_of_its_own(
    api: ScriptedApi, lockstep: Lockstep
) -> None:
    alerts = "/apis/notification.toolkit.fluxcd.io/v1beta3/namespaces/flux-system/alerts"
    alert = {"kind": "Alert", "metadata": {"name": "slack", "namespace": "flux-system"}}
    api.on("GET", HERE, listing(kustomization("apps")))
    api.on("GET", alerts, listing(alert))
    ended = await lockstep("get", "all")

    assert ended.out.splitlines() == [
        "NAME                 REVISION             SUSPENDED   READY   MESSAGE",
        "kustomization/apps   main@sha1:01234567   False       True    Applied revision: 01234567",
        "",
        "NAME          SUSPENDED   READY   MESSAGE",
        "alert/slack   False       True    Alert is Ready",
    ]


async def test_a_definition_of_another_controller_is_missing(lockstep: Lockstep) -> None:
    ended = await lockstep("get", "images", "policy")

    assert ended.err == (
        "Error: ImagePolicy is not served in image.toolkit.fluxcd.io/v1; "
        "the Flux controller that serves it brings its definition\n"
    )


async def test_a_missing_definition_is_an_error_that_says_how_to_install_it(
    lockstep: Lockstep,
) -> None:
    ended = await lockstep("get", "ks")

    assert (ended.status, ended.out) == (1, "")
    assert (
        "is not served in kustomize.toolkit.fluxcd.io/v1; `lockstep run --install-crds`"
        in ended.err
    )


async def test_a_refusal_is_one_line(api: ScriptedApi, lockstep: Lockstep) -> None:
    api.on("GET", HERE, status(403, "kustomizations is forbidden", reason="Forbidden"))
    ended = await lockstep("get", "ks")

    assert ended.status == 1
    assert ended.err.startswith("Error: kustomizations is forbidden; ask for that permission")


@pytest.mark.parametrize(
    "arguments",
    [
        ("ks", "apps", "-A"),
        ("all", "apps"),
        ("all", "-w"),
        ("ks", "-w", "-o", "yaml"),
    ],
)
async def test_what_contradicts_itself_is_refused(
    lockstep: Lockstep, arguments: tuple[str, ...]
) -> None:
    assert (await lockstep("get", *arguments)).status == 2


async def test_watching_shows_what_is_there_and_then_each_change(
    api: ScriptedApi, lockstep: Lockstep
) -> None:
    changed = {"type": "MODIFIED", "object": kustomization("apps", "6")}
    gone = {"type": "ERROR", "object": {"kind": "Status", "code": 403, "message": "no more"}}
    first = listing(kustomization("apps"), kustomization("other"))
    api.on("GET", HERE, watched(first, events(changed, gone)))
    ended = await lockstep("get", "ks", "apps", "-w")

    assert [line.split()[0] for line in ended.out.splitlines()] == ["NAME", "apps", "apps"]
    assert ended.err.startswith("Error: no more")


async def test_a_switch_may_have_a_value_as_in_programs_written_in_go(
    api: ScriptedApi, lockstep: Lockstep
) -> None:
    api.on("GET", f"{GROUP}/kustomizations", listing(kustomization("apps", namespace="team")))
    ended = await lockstep("get", "ks", "--all-namespaces=true", "--no-header=false")

    assert ended.out.split()[:2] == ["NAMESPACE", "NAME"]


async def test_a_server_that_says_nothing_is_not_waited_for_without_end(
    api: ScriptedApi, lockstep: Lockstep
) -> None:
    api.on("GET", HERE, hang)
    ended = await lockstep("get", "ks", "--timeout", "50ms")

    assert ended.status == 1
    assert ended.err == "Error: not done within 0.05s; raise --timeout\n"
