"""What people do with kubectl works the same on both API servers."""

import json
import re
from typing import Any

import aiohttp
import anyio
import pytest

from engine.api import KINDS
from engine.objects.manifests import dump
from tests.support.apiserver import ApiServer
from tests.support.build import definition, widget
from tests.support.fleet import Fleet, config_map, is_ready
from tests.support.kubectl import KUBECTL, Program

POLL = 0.05  # seconds between two looks
# Nothing but kubectl writes it: `diff` reads the object, asks for a dry-run, and shows whatever
# a controller wrote in between (a Deployment's status).
SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  selector:
    app: web
  ports:
  - port: 80
    targetPort: 8080
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {app: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: app
          image: example.test/app:1
          ports: [{containerPort: 80}]
"""
KUSTOMIZATION = """\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: app}
spec:
  interval: 1h
  prune: true
  path: ./app
  sourceRef: {kind: GitRepository, name: fleet}
"""


@pytest.fixture
async def fleet(fleet: Fleet) -> Fleet:
    """A fleet on a server that serves Flux's kinds: a real one takes a moment for new kinds."""
    async with fleet.server.session() as session:
        for kind in KINDS.values():
            path = f"/apis/{kind.group}/{kind.version}/{kind.plural}?limit=1"
            await served(session, path)
    return fleet


async def served(session: aiohttp.ClientSession, path: str) -> None:
    """Returns once the path is there."""
    while True:
        async with session.get(path) as response:
            if response.status == 200:
                return
        await anyio.sleep(POLL)


def table(out: str) -> list[list[str]]:
    """Cells by line; columns are told apart by the header, as cells may hold spaces."""
    header, *lines = out.splitlines()
    starts = [found.start() for found in re.finditer(r"\S+( \S+)*", header)]
    return [
        [line[start:end].strip() for start, end in zip(starts, [*starts[1:], None], strict=True)]
        for line in (header, *lines)
    ]


async def live(kubectl: Program, *what: str) -> Any:
    return json.loads((await kubectl("get", *what, "-o", "json")).out)


COLUMNS = {
    "GitRepository": ["NAME", "URL", "AGE", "READY", "STATUS"],
    "OCIRepository": ["NAME", "URL", "READY", "STATUS", "AGE"],
    "Bucket": ["NAME", "ENDPOINT", "AGE", "READY", "STATUS"],
    "HelmRepository": ["NAME", "URL", "AGE", "READY", "STATUS"],
    "HelmChart": [
        *("NAME", "CHART", "VERSION", "SOURCE KIND", "SOURCE NAME"),
        *("AGE", "READY", "STATUS"),
    ],
    "ExternalArtifact": ["NAME", "AGE", "READY", "STATUS", "SOURCE"],
    "Kustomization": ["NAME", "AGE", "READY", "STATUS"],
    "HelmRelease": ["NAME", "AGE", "READY", "STATUS"],
    "Provider": ["NAME", "AGE"],
    "Alert": ["NAME", "AGE"],
    "Receiver": ["NAME", "AGE", "READY", "STATUS"],
}


async def test_get_prints_the_columns_of_flux(fleet: Fleet, api_server: ApiServer) -> None:
    accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
    found = {}
    async with api_server.session() as session:
        for kind in KINDS.values():
            path = f"/apis/{kind.group}/{kind.version}/namespaces/{fleet.namespace}/{kind.plural}"
            async with session.get(path, headers=accept) as response:
                answer = await response.json()
            columns = [c for c in answer["columnDefinitions"] if not c["priority"]]
            found[kind.name] = [column["name"].upper() for column in columns]

    assert found == COLUMNS


async def test_get_finds_flux_objects_by_short_name_category_label_and_field(
    kubectl: Program,
) -> None:
    await kubectl("apply", "-f", "-", given=KUSTOMIZATION)
    await kubectl("label", "kustomization", "app", "team=web")

    by_short_name = await kubectl("get", "ks")
    by_category = await kubectl("get", "fluxcd", "-o", "name")
    by_label = await kubectl("get", "ks", "-l", "team in (web, api)", "-o", "name")
    by_other_label = await kubectl("get", "ks", "-l", "team!=web", "-o", "name")
    by_field = await kubectl("get", "ks", "--field-selector=metadata.name=app", "-o", "name")
    everywhere = await kubectl("get", "kustomizations.kustomize.toolkit.fluxcd.io", "-A")
    cell = await kubectl("get", "ks", "app", "-o", "jsonpath={.spec.path}")

    name = "kustomization.kustomize.toolkit.fluxcd.io/app"
    assert table(by_short_name.out)[0] == ["NAME", "AGE", "READY", "STATUS"]
    assert table(by_short_name.out)[1][0] == "app"
    assert [by_category.out.strip(), by_label.out.strip(), by_field.out.strip()] == [name] * 3
    assert by_other_label.out == ""
    assert table(everywhere.out)[0][0] == "NAMESPACE"
    assert cell.out == "./app"


async def test_get_prints_the_columns_of_built_in_kinds(kubectl: Program) -> None:
    await kubectl("apply", "-f", "-", given=DEPLOYMENT)
    await kubectl("create", "configmap", "settings", "--from-literal=a=1", "--from-literal=b=2")

    deployments = await kubectl("get", "deploy", "web", "-o", "wide")
    maps = await kubectl("get", "cm", "settings", "--show-labels")
    nothing = await kubectl("get", "cronjobs")
    missing = await kubectl("get", "cm", "nobody", status=1)

    assert table(deployments.out)[0] == [
        *("NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"),
        *("CONTAINERS", "IMAGES", "SELECTOR"),
    ]
    assert table(deployments.out)[1][5:] == ["app", "example.test/app:1", "app=web"]
    assert table(maps.out)[0] == ["NAME", "DATA", "AGE", "LABELS"]
    assert table(maps.out)[1][:2] == ["settings", "2"]
    assert "No resources found in" in nothing.err
    assert missing.err == 'Error from server (NotFound): configmaps "nobody" not found\n'


MODES = pytest.mark.parametrize(
    "options", [(), ("--server-side",)], ids=["client-side", "server-side"]
)


@MODES
async def test_apply_creates_changes_and_removes_fields(
    kubectl: Program, options: tuple[str, ...]
) -> None:
    changed = DEPLOYMENT.replace("replicas: 2", "replicas: 3").replace("app:1", "app:2")
    changed = changed.replace("          ports: [{containerPort: 80}]\n", "")

    first = await kubectl("apply", "-f", "-", *options, given=DEPLOYMENT)
    before = await live(kubectl, "deployment", "web")
    again = await kubectl("apply", "-f", "-", *options, given=DEPLOYMENT)
    same = await live(kubectl, "deployment", "web")
    second = await kubectl("apply", "-f", "-", *options, given=changed)
    after = await live(kubectl, "deployment", "web")

    verbs = ["created", "unchanged", "configured"] if not options else ["serverside-applied"] * 3
    assert [done.out.split()[-1] for done in (first, again, second)] == verbs
    assert same["metadata"]["generation"] == before["metadata"]["generation"]
    container = after["spec"]["template"]["spec"]["containers"][0]
    assert (after["spec"]["replicas"], container["image"]) == (3, "example.test/app:2")
    assert "ports" not in container
    assert after["metadata"]["generation"] == before["metadata"]["generation"] + 1


@MODES
async def test_apply_refuses_what_is_wrong_with_the_field(
    kubectl: Program, options: tuple[str, ...]
) -> None:
    misspelt = DEPLOYMENT.replace("replicas", "replica")
    wrong = KUSTOMIZATION.replace("interval: 1h", "interval: often")
    incomplete = KUSTOMIZATION.replace("  prune: true\n", "")

    unknown = await kubectl("apply", "-f", "-", *options, given=misspelt, status=1)
    pattern = await kubectl("apply", "-f", "-", *options, given=wrong, status=1)
    required = await kubectl("apply", "-f", "-", *options, given=incomplete, status=1)

    assert "replica" in unknown.err
    assert 'The Kustomization "app" is invalid: spec.interval: Invalid value: "often"' in (
        pattern.err
    )
    assert "spec.prune: Required value" in required.err


LIST = """\
apiVersion: v1
kind: List
items:
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {key: value}}
  - {apiVersion: v1, kind: Secret, metadata: {name: b}, stringData: {key: value}}
"""


@pytest.mark.parametrize("side", ["--server-side=false", "--server-side"])
async def test_apply_of_a_list_applies_its_items(kubectl: Program, side: str) -> None:
    first = await kubectl("apply", side, "-f", "-", "-o", "name", given=LIST)
    wrong = LIST.replace("data: {key", "daat: {key")
    refused = await kubectl("apply", side, "-f", "-", given=wrong, status=1)

    assert first.out.split() == ["configmap/a", "secret/b"]
    assert "daat" in refused.err


async def test_a_server_side_apply_in_conflict_names_the_other_manager(kubectl: Program) -> None:
    theirs = KUSTOMIZATION.replace("./app", "./theirs")
    await kubectl("apply", "-f", "-", "--server-side", "--field-manager=ours", given=KUSTOMIZATION)

    refused = await kubectl("apply", "-f", "-", "--server-side", given=theirs, status=1)
    forced = await kubectl("apply", "-f", "-", "--server-side", "--force-conflicts", given=theirs)
    obj = json.loads((await kubectl("get", "ks/app", "-o=json", "--show-managed-fields")).out)

    assert 'conflict with "ours": .spec.path' in refused.err
    assert "serverside-applied" in forced.out
    owners = {
        entry["manager"]: "f:path" in entry["fieldsV1"]["f:spec"]
        for entry in obj["metadata"]["managedFields"]
    }
    assert owners == {"ours": False, "kubectl": True}


@MODES
async def test_a_dry_run_answers_like_the_write_and_writes_nothing(
    kubectl: Program, options: tuple[str, ...]
) -> None:
    dry = ("--dry-run=server", "-o", "json")

    made = await kubectl("apply", "-f", "-", *options, *dry, given=KUSTOMIZATION)
    absent = await kubectl("get", "ks", "app", status=1)
    await kubectl("apply", "-f", "-", *options, given=KUSTOMIZATION)
    before = await live(kubectl, "ks", "app")
    changed = KUSTOMIZATION.replace("./app", "./other")
    answer = await kubectl("apply", "-f", "-", *options, *dry, given=changed)
    await kubectl("delete", "ks", "app", "--dry-run=server")
    after = await live(kubectl, "ks", "app")

    assert json.loads(made.out)["metadata"]["uid"]
    assert "NotFound" in absent.err
    assert json.loads(answer.out)["spec"]["path"] == "./other"
    assert after == before


@MODES
async def test_diff_shows_what_an_apply_would_change(
    kubectl: Program, options: tuple[str, ...]
) -> None:
    await kubectl("apply", "-f", "-", *options, given=SERVICE)

    same = await kubectl("diff", "-f", "-", *options, given=SERVICE)
    changed = SERVICE.replace("targetPort: 8080", "targetPort: 9090")
    other = await kubectl("diff", "-f", "-", *options, given=changed, status=1)

    assert same.out == ""
    assert "-    targetPort: 8080\n" in other.out
    assert "+    targetPort: 9090\n" in other.out
    changes = [line for line in other.out.splitlines() if line.startswith(("-", "+"))]
    assert not any("sessionAffinity" in line for line in changes)  # a default


PATCHES = {
    "merge": ('{"metadata": {"labels": {"app": null, "tier": "1"}}}', {"tier": "1"}),
    "json": ('[{"op": "replace", "path": "/metadata/labels/app", "value": "x"}]', {"app": "x"}),
    "strategic": ('{"metadata": {"labels": {"tier": "1"}}}', {"app": "web", "tier": "1"}),
}


@pytest.mark.parametrize("kind", PATCHES)
async def test_patch_of_each_kind(kubectl: Program, kind: str) -> None:
    patch, labels = PATCHES[kind]
    await kubectl("apply", "-f", "-", given=DEPLOYMENT)

    done = await kubectl("patch", "deployment", "web", f"--type={kind}", "-p", patch)
    obj = await live(kubectl, "deployment", "web")

    assert done.out == "deployment.apps/web patched\n"
    assert obj["metadata"]["labels"] == labels


async def test_a_strategic_patch_merges_containers_by_name(kubectl: Program) -> None:
    patch = '{"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "x:2"}]}}}}'
    await kubectl("apply", "-f", "-", given=DEPLOYMENT)

    await kubectl("patch", "deployment", "web", "-p", patch)
    obj = await live(kubectl, "deployment", "web")

    [container] = obj["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "x:2"
    assert container["ports"] == [{"containerPort": 80, "protocol": "TCP"}]


async def test_a_status_is_patched_through_its_subresource_only(kubectl: Program) -> None:
    status = '{"status": {"lastAppliedRevision": "main@sha1:1"}}'
    await kubectl("apply", "-f", "-", given=KUSTOMIZATION)

    await kubectl("patch", "ks", "app", "--type=merge", "-p", status)
    ignored = await live(kubectl, "ks", "app")
    await kubectl("patch", "ks", "app", "--type=merge", "--subresource=status", "-p", status)
    written = await live(kubectl, "ks", "app")

    assert ignored["status"] == {"observedGeneration": -1}
    assert written["status"]["lastAppliedRevision"] == "main@sha1:1"
    assert written["metadata"]["generation"] == ignored["metadata"]["generation"]


async def test_delete_by_name_label_and_file(kubectl: Program) -> None:
    maps = "---\n".join(dump(config_map(name)) for name in ("a", "b", "c"))
    await kubectl("apply", "-f", "-", given=maps)
    await kubectl("label", "configmap", "b", "kind=second")

    by_name = await kubectl("delete", "configmap", "a")
    by_label = await kubectl("delete", "configmap", "-l", "kind=second")
    by_file = await kubectl("delete", "-f", "-", "--ignore-not-found", given=maps)
    left = await kubectl("get", "configmap", "a", "b", "c", "--ignore-not-found", "-o", "name")

    assert by_name.out.startswith('configmap "a" deleted')
    assert by_label.out.startswith('configmap "b" deleted')
    assert by_file.out.startswith('configmap "c" deleted')
    assert left.out == ""


async def test_a_finalizer_holds_a_deleted_object(kubectl: Program) -> None:
    patch = '{"metadata": {"finalizers": %s}}'
    await kubectl("apply", "-f", "-", given=KUSTOMIZATION)
    await kubectl(*("patch", "ks", "app", "--type=merge", "-p"), patch % '["finalizers.fluxcd.io"]')

    await kubectl("delete", "ks", "app", "--wait=false")
    held = await live(kubectl, "ks", "app")
    await kubectl("patch", "ks", "app", "--type=merge", "-p", patch % "null")
    await kubectl("wait", "--for=delete", "ks/app", "--timeout=10s")

    assert held["metadata"]["deletionTimestamp"]


async def test_deleting_a_definition_removes_its_objects(kubectl: Program, namespace: str) -> None:
    group = f"{namespace[-6:]}.example.com"
    await kubectl("apply", "-f", "-", given=dump(definition(group)))
    await kubectl("wait", "--for=condition=Established", f"crd/widgets.{group}", "--timeout=10s")
    await kubectl("apply", "-f", "-", given=dump(widget("one", group, size=1)))
    made = await kubectl("get", f"widgets.{group}", "one", "-o", "jsonpath={.spec.size}")
    await kubectl("delete", "crd", f"widgets.{group}", "--timeout=20s")
    gone = await kubectl("get", f"widgets.{group}", status=1)

    assert made.out == "1"
    assert "the server doesn't have a resource type" in gone.err


async def test_a_watch_tells_of_each_change(kubectl: Program) -> None:
    command = [*kubectl.command, "get", "configmaps", "--watch", "--output-watch-events"]
    command += ["--field-selector=metadata.name=seen", "--no-headers"]
    wanted = [[event, "seen"] for event in ("ADDED", "MODIFIED", "DELETED")]
    found: list[list[str]] = []

    async with await anyio.open_process(command, env=kubectl.environment) as watching:
        assert watching.stdout is not None
        await kubectl("create", "configmap", "seen")
        rest = b""
        while len(found) < len(wanted):
            rest += await watching.stdout.receive()
            *lines, rest = rest.split(b"\n")
            for line in lines:
                found.append(line.decode().split()[:2])
                if found == wanted[:1]:
                    await kubectl("label", "configmap", "seen", "a=b")
                elif found == wanted[:2]:
                    await kubectl("delete", "configmap", "seen")
        watching.kill()

    assert found == wanted


async def test_wait_sees_an_engine_finish(fleet: Fleet, kubectl: Program) -> None:
    fleet.commit({"app/web.yaml": config_map("web")})
    await fleet.source()
    text = KUSTOMIZATION + f"  targetNamespace: {fleet.namespace}\n"
    await kubectl("apply", "-f", "-", given=text)

    async with fleet.engine():
        await kubectl("wait", "--for=condition=Ready", "ks/app", "--timeout=30s")
        await kubectl("wait", "--for=create", "configmap/web", "--timeout=10s")
        path = "jsonpath={.status.conditions[?(@.type=='Ready')].reason}=ReconciliationSucceeded"
        await kubectl("wait", f"--for={path}", "ks/app", "--timeout=10s")
        shown = await kubectl("get", "kustomization,gitrepository", "--no-headers")
        described = await kubectl("describe", "kustomization", "app")
        ready = await fleet.until("Kustomization", "app", is_ready)
        await kubectl("delete", "ks", "app", "--timeout=20s")

    revision = ready["status"]["lastAppliedRevision"]
    assert f"True    Applied revision: {revision}" in shown.out.replace("   ", "    ")
    assert f"stored artifact for revision '{revision}'" in shown.out
    assert "ReconciliationSucceeded" in described.out


async def test_a_wait_that_ends_in_vain_fails(kubectl: Program) -> None:
    await kubectl("apply", "-f", "-", given=KUSTOMIZATION)

    done = await kubectl("wait", "--for=condition=Ready", "ks/app", "--timeout=1s", status=1)

    assert "timed out waiting for the condition" in done.err


EXPLAINED = {
    "kustomization.spec": ["interval\t<string> -required-", "dependsOn\t<[]Object>"],
    "ks.spec.interval": ["GROUP:      kustomize.toolkit.fluxcd.io", "interval <string>"],
    "gitrepository.spec.ref": ["<Object>", "branch\t<string>", "semver\t<string>"],
    "deployment.spec.replicas": ["GROUP:      apps", "<integer>"],
    "configmap.data": ["<map[string]string>"],
}


@pytest.mark.parametrize("field", EXPLAINED)
async def test_explain_describes_a_field(kubectl: Program, field: str) -> None:
    done = await kubectl("explain", field)

    for text in EXPLAINED[field]:
        assert text in done.out


async def test_explain_knows_no_other_field(kubectl: Program) -> None:
    done = await kubectl("explain", "ks.spec.intervall", status=1)

    assert 'field "intervall" does not exist' in done.err


async def test_resources_are_discovered(kubectl: Program) -> None:
    done = await kubectl("api-resources", "--no-headers")
    lines = [" ".join(line.split()) for line in done.out.splitlines()]

    assert "kustomizations ks kustomize.toolkit.fluxcd.io/v1 true Kustomization" in lines
    assert "deployments deploy apps/v1 true Deployment" in lines
    assert "namespaces ns v1 false Namespace" in lines


async def test_replace_scale_and_rollout_restart(kubectl: Program) -> None:
    await kubectl("create", "-f", "-", given=DEPLOYMENT)
    replaced = DEPLOYMENT.replace("app:1", "app:3")

    twice = await kubectl("create", "-f", "-", given=DEPLOYMENT, status=1)
    await kubectl("replace", "-f", "-", given=replaced)
    await kubectl("scale", "deployment", "web", "--replicas=7")
    await kubectl("rollout", "restart", "deployment/web")
    await kubectl("annotate", "deployment", "web", "why=because")
    obj = await live(kubectl, "deployment", "web")

    template = obj["spec"]["template"]
    assert 'deployments.apps "web" already exists' in twice.err
    assert obj["spec"]["replicas"] == 7
    assert template["spec"]["containers"][0]["image"] == "example.test/app:3"
    assert "kubectl.kubernetes.io/restartedAt" in template["metadata"]["annotations"]
    assert obj["metadata"]["annotations"]["why"] == "because"


def test_kubectl_is_that_of_the_locked_dependencies() -> None:
    assert KUBECTL.exists()
