"""The demo's repository: a small fleet, laid out as the guide recommends, and its next commits.

infrastructure/     namespaces, quotas and rights, the same in every cluster
monitoring/         one base; what differs by cluster comes in as variables
apps/base/<app>     what an app is; apps/staging and apps/prod say how it runs there
clusters/<cluster>  the Kustomizations of one cluster, and in which order they go
"""

from collections.abc import Mapping

Files = Mapping[str, str | None]
"""Content by path; None removes the file."""

NAMESPACE = "flux-system"
ROOT = "flux-system"  # the Kustomization that brings the others, and its source
KUSTOMIZATIONS = (ROOT, "infrastructure", "apps", "monitoring")

_INFRASTRUCTURE = {
    "infrastructure/kustomization.yaml": """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
  - namespaces.yaml
  - quotas.yaml
  - rights.yaml
""",
    "infrastructure/namespaces.yaml": """\
apiVersion: v1
kind: Namespace
metadata:
  name: shop
  labels:
    pod-security.kubernetes.io/enforce: restricted
---
apiVersion: v1
kind: Namespace
metadata:
  name: monitoring
""",
    "infrastructure/quotas.yaml": """\
apiVersion: v1
kind: ResourceQuota
metadata:
  name: shop
  namespace: shop
spec:
  hard:
    pods: "40"
    requests.cpu: "8"
    requests.memory: 16Gi
""",
    "infrastructure/rights.yaml": """\
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: readers
  namespace: shop
rules:
  - apiGroups: ["", apps]
    resources: [pods, pods/log, services, deployments]
    verbs: [get, list, watch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: readers
  namespace: shop
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: readers
subjects:
  - apiGroup: rbac.authorization.k8s.io
    kind: Group
    name: developers
""",
}

_MONITORING = {
    "monitoring/kustomization.yaml": """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
  - grafana.yaml
  - ingress.yaml
configMapGenerator:
  - name: grafana
    literals:
      - theme=dark
      - title=${cluster_name}
""",
    "monitoring/grafana.yaml": """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: grafana
spec:
  selector:
    matchLabels:
      app: grafana
  template:
    metadata:
      labels:
        app: grafana
    spec:
      containers:
        - name: grafana
          image: registry.example.com/grafana:12.3.0
          envFrom:
            - configMapRef:
                name: grafana
---
apiVersion: v1
kind: Service
metadata:
  name: grafana
spec:
  selector:
    app: grafana
  ports:
    - name: http
      port: 3000
""",
    "monitoring/ingress.yaml": """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: grafana
spec:
  rules:
    - host: grafana.${domain}
      http:
        paths:
          - path: /
            pathType: Prefix
            backend:
              service:
                name: grafana
                port:
                  name: http
""",
}


def _app(name: str) -> dict[str, str]:
    folder = f"apps/base/{name}"
    return {
        f"{folder}/kustomization.yaml": """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
  - deployment.yaml
  - service.yaml
""",
        f"{folder}/deployment.yaml": f"""\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
spec:
  replicas: 1
  selector:
    matchLabels:
      app: {name}
  template:
    metadata:
      labels:
        app: {name}
    spec:
      containers:
        - name: {name}
          image: registry.example.com/{name}
          ports:
            - name: http
              containerPort: 8080
          envFrom:
            - configMapRef:
                name: settings
""",
        f"{folder}/service.yaml": f"""\
apiVersion: v1
kind: Service
metadata:
  name: {name}
spec:
  selector:
    app: {name}
  ports:
    - name: http
      port: 80
      targetPort: http
""",
    }


_OVERLAYS = {
    "apps/staging/kustomization.yaml": """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
  - ../base/web
  - ../base/api
images:
  - name: registry.example.com/web
    newTag: 1.5.0
  - name: registry.example.com/api
    newTag: 2.1.0
configMapGenerator:
  - name: settings
    literals:
      - log_level=debug
""",
    "apps/prod/kustomization.yaml": """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
  - ../base/web
  - ../base/api
  - ../base/reports
patches:
  - path: resources.yaml
    target:
      kind: Deployment
replicas:
  - name: web
    count: 3
images:
  - name: registry.example.com/web
    newTag: 1.4.0
  - name: registry.example.com/api
    newTag: 2.1.0
  - name: registry.example.com/reports
    newTag: 0.9.3
configMapGenerator:
  - name: settings
    literals:
      - log_level=info
""",
    "apps/prod/resources.yaml": """\
- op: add
  path: /spec/template/spec/containers/0/resources
  value:
    requests:
      cpu: 100m
      memory: 128Mi
""",
}


def _cluster(name: str, domain: str, url: str) -> dict[str, str]:
    folder = f"clusters/{name}"
    return {
        f"{folder}/flux-system/gotk-sync.yaml": f"""\
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata:
  name: {ROOT}
  namespace: {NAMESPACE}
spec:
  interval: 1m
  ref:
    branch: main
  url: {url}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: {ROOT}
  namespace: {NAMESPACE}
spec:
  interval: 10m
  path: ./{folder}
  prune: true
  sourceRef:
    kind: GitRepository
    name: {ROOT}
""",
        f"{folder}/infrastructure.yaml": f"""\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: infrastructure
  namespace: {NAMESPACE}
spec:
  interval: 10m
  path: ./infrastructure
  prune: true
  wait: true
  sourceRef:
    kind: GitRepository
    name: {ROOT}
""",
        f"{folder}/apps.yaml": f"""\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: apps
  namespace: {NAMESPACE}
spec:
  dependsOn:
    - name: infrastructure
  interval: 10m
  retryInterval: 1m
  path: ./apps/{name}
  prune: true
  wait: true
  timeout: 2m
  targetNamespace: shop
  sourceRef:
    kind: GitRepository
    name: {ROOT}
""",
        f"{folder}/monitoring.yaml": f"""\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: monitoring
  namespace: {NAMESPACE}
spec:
  dependsOn:
    - name: infrastructure
  interval: 10m
  path: ./monitoring
  prune: true
  targetNamespace: monitoring
  healthChecks:
    - apiVersion: apps/v1
      kind: Deployment
      name: grafana
      namespace: monitoring
  postBuild:
    substitute:
      cluster_name: {name}
      domain: {domain}
  sourceRef:
    kind: GitRepository
    name: {ROOT}
""",
    }


def first_files(url: str) -> dict[str, str]:
    """The fleet as it starts; url: of the repository, which each cluster's sync names."""
    files = {**_INFRASTRUCTURE, **_MONITORING, **_OVERLAYS}
    for app in ("web", "api", "reports"):
        files |= _app(app)
    files |= _cluster("staging", "staging.example.com", url)
    return files | _cluster("prod", "example.com", url)


def sync_of(files: Mapping[str, str]) -> str:
    """What a bootstrap applies by hand: the source and the root Kustomization of the cluster."""
    return files[f"clusters/prod/{ROOT}/gotk-sync.yaml"]


def release(files: Mapping[str, str]) -> dict[str, str]:
    """Promotes what ran in staging: another image of `web`."""
    path = "apps/prod/kustomization.yaml"
    return {path: _replaced(files[path], "newTag: 1.4.0", "newTag: 1.5.0")}


def removal(files: Mapping[str, str]) -> dict[str, str | None]:
    """Retires the app `reports`: its files and its place in the overlay."""
    path = "apps/prod/kustomization.yaml"
    text = _replaced(files[path], "  - ../base/reports\n", "")
    text = _replaced(text, "  - name: registry.example.com/reports\n    newTag: 0.9.3\n", "")
    return {path: text, **dict.fromkeys(_app("reports"))}


BROKEN_FILE = "apps/base/api/deployment.yaml"


def mistake(files: Mapping[str, str]) -> dict[str, str]:
    """A slip of the keyboard in the app `api`, and in the same commit a good change elsewhere."""
    theme = "monitoring/kustomization.yaml"
    return {
        BROKEN_FILE: _replaced(
            files[BROKEN_FILE], "  replicas: 1\n", "  replicas: 2\n   paused: false\n"
        ),
        theme: _replaced(files[theme], "theme=dark", "theme=light"),
    }


def repair(files: Mapping[str, str]) -> dict[str, str]:
    """The slip undone; what was meant stays."""
    return {BROKEN_FILE: _replaced(files[BROKEN_FILE], "   paused: false\n", "")}


def line_of(text: str, words: str) -> int:
    """The 1-based number of the line in which `words` first stand.  Raises ValueError if none."""
    return text[: text.index(words)].count("\n") + 1


def _replaced(text: str, old: str, new: str) -> str:
    """The text with its one `old` replaced.  Raises ValueError if it has none or several."""
    if text.count(old) != 1:
        raise ValueError(f"{old!r} stands {text.count(old)} times in the file, not once")
    return text.replace(old, new)
