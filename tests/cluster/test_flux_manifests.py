"""Manifests as Flux's users write them are accepted unchanged, and become Ready."""

from typing import Any

import pytest

from engine.objects.manifests import parse
from engine.objects.ref import Object
from tests.support.fleet import Files, Fleet, config_map, is_ready
from tests.support.kubectl import Program

MANIFESTS = """\
# Everything below is applied by hand once, then by itself.
---
apiVersion: v1
kind: Secret
metadata:
  name: fleet-auth
  namespace: {namespace}
stringData:
  username: git
  password: not-asked-for
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata:
  name: fleet
  namespace: {namespace}
  labels:
    app.kubernetes.io/part-of: platform
  annotations:
    # read by our own tools only
    example.com/owner: "team-web"
    example.com/on-call: "yes"
spec:
  interval: 10m0s # how often we look
  timeout: 60s
  url: {url}
  ref:
    branch: main
  provider: generic
  secretRef:
    name: fleet-auth
  ignore: |
    # exclude everything
    /*
    # but not this
    !/deploy
  suspend: false
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: applier
  namespace: {namespace}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: applier
  namespace: {namespace}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: cluster-admin
subjects:
  - kind: ServiceAccount
    name: applier
    namespace: {namespace}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: cluster-vars
  namespace: {namespace}
  labels:
    reconcile.fluxcd.io/watch: Enabled
data:
  cluster_env: production
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: infra
  namespace: {namespace}
spec:
  interval: 10m
  path: deploy/infra # without ./
  prune: true
  sourceRef:
    kind: GitRepository
    name: fleet
  targetNamespace: {namespace}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: apps
  namespace: {namespace}
  labels: {{toolkit.fluxcd.io/tenant: web, "quoted": 'yes'}}
  annotations:
    example.com/unknown: |
      several
      lines
    event.toolkit.fluxcd.io/summary: "the apps"
spec:
  dependsOn:
    - name: infra
  interval: 1h0m0s
  retryInterval: 2m
  timeout: 3m30s
  sourceRef:
    apiVersion: source.toolkit.fluxcd.io/v1
    kind: GitRepository
    name: fleet
    namespace: {namespace}
  path: "./deploy/apps"
  prune: true
  deletionPolicy: MirrorPrune
  suspend: false
  force: false
  wait: true
  healthChecks: # not looked at, as wait is on
    - apiVersion: apps/v1
      kind: Deployment
      name: frontend
      namespace: {namespace}
  serviceAccountName: applier
  targetNamespace: {namespace}
  namePrefix: eu-
  nameSuffix: -v1
  commonMetadata:
    labels:
      team: web
    annotations:
      contact: "#web"
  components:
    - ../components/banner
    - ../components/absent
  ignoreMissingComponents: true
  buildMetadata: [originAnnotations]
  images:
    - name: example.test/app
      newName: mirror.test/app
      newTag: "1.20" # a string, not 1.2
  patches:
    - patch: |
        - op: add
          path: /data/patched
          value: "by JSON"
      target:
        kind: ConfigMap
        name: web
    - patch: |
        apiVersion: v1
        kind: ConfigMap
        metadata:
          name: web
        data:
          merged: "by merge"
  postBuild:
    substitute:
      region: eu-central-1
    substituteFrom:
      - kind: ConfigMap
        name: cluster-vars
        optional: false
      - kind: Secret
        name: cluster-secrets
        optional: true
"""

REPOSITORY: Files = {
    "README.md": "# not for the cluster\n",
    "deploy/infra/quota.yaml": config_map("quota", cpu="4"),
    "deploy/apps/kustomization.yaml": "resources:\n  - web.yaml # the only one\n  - pod.yaml\n",
    "deploy/apps/web.yaml": config_map("web", where="${region}", what="${cluster_env:=none}"),
    "deploy/apps/pod.yaml": {
        "apiVersion": "v1",
        "kind": "PodTemplate",
        "metadata": {"name": "job"},
        "template": {"spec": {"containers": [{"name": "a", "image": "example.test/app:1.0"}]}},
    },
    "deploy/components/banner/kustomization.yaml": (
        "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
        "patches:\n  - target: {kind: ConfigMap}\n"
        "    patch: '- {op: add, path: /data/banner, value: hello}'\n"
    ),
}


@pytest.fixture
def fleet(fleet: Fleet) -> Fleet:
    """A fleet whose repository is there, and nothing else."""
    fleet.commit(REPOSITORY)
    return fleet


@pytest.mark.parametrize("options", [(), ("--server-side",)], ids=["client-side", "server-side"])
async def test_manifests_of_users_become_ready(
    fleet: Fleet, kubectl: Program, options: tuple[str, ...]
) -> None:
    text = MANIFESTS.format(namespace=fleet.namespace, url=f"{fleet.git_url}/fleet")

    async with fleet.engine():
        applied = await kubectl("apply", "-f", "-", *options, given=text)
        await kubectl("wait", "--for=condition=Ready", "gitrepo/fleet", "ks/infra", "--timeout=30s")
        await kubectl("wait", "--for=condition=Ready", "kustomization/apps", "--timeout=30s")
        again = await kubectl("apply", "-f", "-", *options, given=text)
        objects = [
            await fleet.get(obj["kind"], obj["metadata"]["name"]) for obj in objects_of_flux(text)
        ]
        web = await fleet.get("ConfigMap", "eu-web-v1")
        job = await fleet.get("PodTemplate", "eu-job-v1")

    assert "Warning" not in applied.err
    for obj, wanted in zip(objects, objects_of_flux(text), strict=True):
        assert obj is not None
        assert is_ready(obj)
        assert changed(obj["spec"], wanted["spec"]) == []
        for field in ("labels", "annotations"):
            written = wanted["metadata"].get(field, {})
            assert changed(obj["metadata"].get(field, {}), written) == []
    told = {line.rpartition(" ")[0]: line.rpartition(" ")[2] for line in again.out.splitlines()}
    for name in ("gitrepository.source", "kustomization.kustomize"):
        verbs = {verb for what, verb in told.items() if what.startswith(f"{name}.toolkit")}
        assert verbs == {"serverside-applied" if options else "unchanged"}, again.out
    check_applied(web, job)


def check_applied(web: Object | None, job: Object | None) -> None:
    assert web is not None
    assert web["data"] == {
        "where": "eu-central-1",
        "what": "production",
        "patched": "by JSON",
        "merged": "by merge",
        "banner": "hello",
    }
    assert web["metadata"]["labels"]["team"] == "web"
    assert web["metadata"]["annotations"]["contact"] == "#web"
    assert job is not None
    assert job["template"]["spec"]["containers"][0]["image"] == "mirror.test/app:1.20"


def objects_of_flux(text: str) -> list[Any]:
    found = [document.obj for document in parse(text.encode(), "manifests.yaml")]
    return [obj for obj in found if "toolkit.fluxcd.io" in obj["apiVersion"]]


def changed(live: Any, written: Any, path: str = "") -> list[str]:
    """Where the live value is not as written, a line each; defaults may be added to it."""
    if isinstance(written, dict) and isinstance(live, dict):
        found = [changed(live.get(key), value, f"{path}.{key}") for key, value in written.items()]
    elif isinstance(written, list) and isinstance(live, list) and len(live) == len(written):
        pairs = enumerate(zip(live, written, strict=True))
        found = [changed(*pair, f"{path}[{index}]") for index, pair in pairs]
    else:
        return [] if live == written else [f"{path}: {written!r} became {live!r}"]
    return [line for lines in found for line in lines]
