"""What Helm makes of the chart, against what is recorded.

`chart/NAME/values.yaml` is what somebody sets, `want.yaml` all objects of the release,
`want-notes.txt` what is said once it is installed.  `GOLDEN=rewrite pytest tests/golden` records
anew: read the diff.
"""

import json
import os
from pathlib import Path

import pytest

from engine.settings import Settings
from tests.support.chart import (
    CASES,
    CHART,
    guide_blocks,
    helm_run,
    notes,
    read_schema,
    rendered,
    settings_in,
    settings_schema,
    template,
    write_schema,
)

DEPLOYMENT = ("Deployment", "lockstep")
ADDRESSES = {
    "http": "storage_addr",
    "http-events": "events_listen_addr",
    "http-webhook": "receiver_addr",
    "http-prom": "metrics_addr",
    "healthz": "health_addr",
}


def values(case: str) -> str:
    return f"--values={CASES / case / 'values.yaml'}"


def has_values(block: str) -> bool:
    """Whether it is YAML of the chart, and not a command."""
    return block.split(":")[0] in read_schema()["properties"]


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir()))
def test_a_release_is_what_is_recorded(case: str, tmp_path: Path) -> None:
    made = {
        "want.yaml": template(tmp_path, values(case)),
        "want-notes.txt": notes(tmp_path, values(case)),
    }
    if os.environ.get("GOLDEN") == "rewrite":
        for name, text in made.items():
            (CASES / case / name).write_text(text)

    for name, text in made.items():
        assert text == (CASES / case / name).read_text()


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir()))
def test_helm_has_nothing_to_say_against_it(case: str, tmp_path: Path) -> None:
    done = helm_run(tmp_path, "lint", "--strict", str(CHART), values(case))

    assert (done.returncode, "[WARNING]" in done.stdout) == (0, False), done.stdout + done.stderr


def test_settings_are_checked_as_the_command_line_checks_them() -> None:
    schema, wanted = read_schema(), settings_schema()
    if os.environ.get("GOLDEN") == "rewrite":
        schema["properties"]["settings"]["properties"] = wanted
        write_schema(schema)

    found = schema["properties"]["settings"]["properties"]
    assert found == wanted, "`make golden` writes them"


def test_the_engine_takes_the_arguments_that_it_is_given(tmp_path: Path) -> None:
    deployment = rendered(tmp_path)[DEPLOYMENT]

    assert settings_in(deployment) == Settings(
        storage_path="/data",
        storage_adv_addr="source-controller.flux-system.svc.cluster.local.",
        impersonation_mark="flux-system/lockstep",
    )


def test_settings_of_every_type_arrive_as_they_were_given(tmp_path: Path) -> None:
    settings = settings_in(rendered(tmp_path, values("whole"))["Deployment", "lockstep-gitops"])

    assert settings == Settings(
        storage_path="/data",
        storage_adv_addr="source-controller.flux-system.svc.cluster.local.",
        impersonation_mark="flux-system/gitops",
        watch_all_namespaces=False,
        log_level="debug",
        log_encoding="console",
        concurrent=64,
        concurrent_builds=4,
        build_memory_bytes=2**30,
        graceful_shutdown_timeout=290.0,
        prune_brake=False,
        api_list_objects=3_000_000,
        trace_ratio=0.25,
        verify_interval=1800.0,
        git_max_pack_bytes=2**30,
        override_manager=("argocd-controller", "someone-else"),
        otlp_endpoint="http://collector:4318",
    )


def test_ports_are_those_that_the_engine_listens_on(tmp_path: Path) -> None:
    deployment = rendered(tmp_path)[DEPLOYMENT]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    settings = settings_in(deployment)

    ports = {each["name"]: f":{each['containerPort']}" for each in container["ports"]}
    assert ports == {name: getattr(settings, setting) for name, setting in ADDRESSES.items()}


def test_services_lead_to_ports_of_the_container(tmp_path: Path) -> None:
    objects = rendered(tmp_path)

    targets = {
        name: [(port["port"], port["targetPort"]) for port in obj["spec"]["ports"]]
        for (kind, name), obj in objects.items()
        if kind == "Service"
    }
    assert targets == {
        "lockstep": [(8080, "http-prom")],
        "source-controller": [(80, "http")],
        "notification-controller": [(80, "http-events")],
        "webhook-receiver": [(80, "http-webhook")],
    }


@pytest.mark.parametrize(
    ("given", "limit"),
    [
        ((), "2048Mi"),
        (("concurrentBuilds=6",), "4096Mi"),
        (("buildMemory=1Gi",), "4Gi"),
        (("concurrentBuilds=0",), "1024Mi"),
        (("resources.limits.memory=3Gi",), "3Gi"),
    ],
)
def test_memory_suffices_for_the_builds(given: tuple[str, ...], limit: str, tmp_path: Path) -> None:
    arguments = [f"--set={each}" for each in given]
    deployment = rendered(tmp_path, *arguments)[DEPLOYMENT]

    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"] == {"memory": limit}


def test_an_empty_list_of_peers_closes_the_port(tmp_path: Path) -> None:
    policy = rendered(tmp_path, values("exposed"))["NetworkPolicy", "lockstep"]

    open_ports = {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}
    assert open_ports == {9090, 9091, 9292}


@pytest.mark.parametrize("block", [each for each in guide_blocks() if has_values(each)])
def test_the_values_of_the_guide_are_values(block: str, tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(block)

    assert rendered(tmp_path, f"--values={file}")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"concurent": 4}, "additional properties 'concurent' not allowed"),
        ({"tenancy": "loose"}, "at '/tenancy': value must be one of 'flux', 'strict'"),
        ({"replicas": 2}, "at '/replicas': maximum: got 2, want 1"),
        ({"buildMemory": "512"}, "at '/buildMemory': '512' does not match pattern"),
        ({"settings": {"verify-intervall": "1h"}}, "at '/settings': additional properties"),
        ({"settings": {"verify-interval": "1 hour"}}, "at '/settings/verify-interval': '1 hour'"),
        ({"settings": {"prune-brake": "no"}}, "at '/settings/prune-brake': got string, want bool"),
        ({"settings": {"metrics-addr": ":1"}}, "additional properties 'metrics-addr' not allowed"),
        ({"settings": {"log-level": "info"}}, "additional properties 'log-level' not allowed"),
        (
            {"webhook": {"ingress": {"enabled": True}}},
            "at '/webhook/ingress/hosts': minItems: got 0, want 1",
        ),
        (
            {"webhook": {"httpRoute": {"enabled": True}}},
            "at '/webhook/httpRoute/parentRefs': minItems: got 0, want 1",
        ),
        (
            {
                "eventsAddr": "http://notification-controller",
                "webhook": {"ingress": {"enabled": True, "hosts": ["a.example.com"]}},
            },
            "webhook.ingress.enabled: with eventsAddr Flux's notification-controller serves the",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_the_place(
    given: dict[str, object], said: str, tmp_path: Path
) -> None:
    file = tmp_path / "values.json"
    file.write_text(json.dumps(given))

    done = helm_run(tmp_path, "template", "lockstep", str(CHART), f"--values={file}")
    assert done.returncode == 1
    assert said in done.stderr
