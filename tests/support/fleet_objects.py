"""Random objects of a fleet: few names and many references, so that they meet each other."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

NAMES = ("web", "api", "db", "settings", "token")
LABELS = ("app", "tier", "team")
VALUES = ("a", "b", "1", "true", "on", "0x10", "", "x y", "2001-01-01", "~", "null", "1.50")
IMAGES = ("nginx", "nginx:1.7", "repo/app:2", "host:5000/app", "app@sha256:abc", "app:1@sha256:ab")


class World(Random):
    """Decides everything by its seed, and knows what was made: references shall often hit."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.made: list[tuple[str, str, str]] = []  # (apiVersion, kind, name) in this folder
        self.reach: dict[str, list[tuple[str, str, str]]] = {}  # the same by folder
        self.count = 0

    def some(self) -> tuple[str, str, str]:
        """apiVersion, kind and name of an object, mostly of one that was made."""
        if self.made and self.random() < 0.97:
            return self.choice(self.made)
        return (*self.choice(tuple(KINDS)), self.choice(NAMES))


def labels(random: World) -> dict[str, str]:
    """One to three labels."""
    return {key: random.choice(VALUES) for key in random.sample(LABELS, random.randint(1, 3))}


def container(random: World) -> dict[str, Any]:
    made: dict[str, Any] = {"name": random.choice(("main", "side")), "image": random.choice(IMAGES)}
    if random.random() < 0.3:
        made["envFrom"] = [
            {"configMapRef": {"name": random.choice(NAMES)}},
            {"secretRef": {"name": random.choice(NAMES)}},
        ]
    if random.random() < 0.4:
        source = {"configMapKeyRef": {"name": random.choice(NAMES), "key": "a"}}
        made["env"] = [
            {"name": "A", "value": random.choice(("$(VAR)", "x", "$(OTHER)-$(VAR)", "$$(VAR)"))},
            {"name": "B", "valueFrom": source},
        ]
    if random.random() < 0.2:
        made["ports"] = [
            {"containerPort": port, "protocol": protocol}
            for port, protocol in ((80, "TCP"), (80, "UDP"), (443, "TCP"))
        ][: random.randint(1, 3)]
    if random.random() < 0.2:
        made["args"] = ["--name=$(VAR)", "1", "yes"]
    return made


def pod(random: World) -> dict[str, Any]:
    spec: dict[str, Any] = {"containers": [container(random)]}
    if random.random() < 0.3:
        spec["containers"].append({"name": "other", "image": random.choice(IMAGES)})
    if random.random() < 0.2:
        spec["initContainers"] = [container(random)]
    if random.random() < 0.4:
        spec["serviceAccountName"] = random.choice(NAMES)
    if random.random() < 0.4:
        spec["volumes"] = [
            {"name": "one", "configMap": {"name": random.choice(NAMES)}},
            {"name": "two", "secret": {"secretName": random.choice(NAMES)}},
            {"name": "three", "persistentVolumeClaim": {"claimName": random.choice(NAMES)}},
        ][: random.randint(1, 3)]
    if random.random() < 0.1:
        spec["imagePullSecrets"] = [{"name": random.choice(NAMES)}]
    return {"metadata": {"labels": labels(random)} if random.random() < 0.7 else {}, "spec": spec}


def workload(random: World) -> dict[str, Any]:
    template = pod(random)
    chosen = template["metadata"].get("labels") or labels(random)
    spec: dict[str, Any] = {"selector": {"matchLabels": chosen}, "template": template}
    if random.random() < 0.5:
        spec["replicas"] = random.randint(0, 3)
    return {"spec": spec}  # the labels are one object: YAML writes an anchor and an alias


def stateful(random: World) -> dict[str, Any]:
    made = workload(random)
    made["spec"]["serviceName"] = random.choice(NAMES)
    return made


def job(random: World) -> dict[str, Any]:
    return {"spec": {"template": pod(random)}}


def cron_job(random: World) -> dict[str, Any]:
    return {"spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": pod(random)}}}}


def service(random: World) -> dict[str, Any]:
    return {"spec": {"selector": labels(random), "ports": [{"port": 80, "targetPort": "http"}]}}


def data(random: World) -> dict[str, Any]:
    texts = ("x", "a\nb\n", "a: 1\n", '{"a": {"b": "c"}}', "$(VAR)", " ", "é", "0o7", "host:80")
    return {"data": {key: random.choice(texts) for key in ("a", "b")}}


def ingress(random: World) -> dict[str, Any]:
    backend = {"service": {"name": random.choice(NAMES), "port": {"number": 80}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    return {"spec": {"rules": [{"host": "a.example", "http": {"paths": paths}}]}}


def autoscaler(random: World) -> dict[str, Any]:
    kind = random.choice(("Deployment", "StatefulSet"))
    target = {"apiVersion": "apps/v1", "kind": kind, "name": random.choice(NAMES)}
    return {"spec": {"scaleTargetRef": target, "maxReplicas": 3}}


def binding(random: World) -> dict[str, Any]:
    subject = {"kind": "ServiceAccount", "name": random.choice((*NAMES, "default"))}
    if random.random() < 0.5:
        subject["namespace"] = random.choice(("default", "shop"))
    kind = random.choice(("Role", "ClusterRole"))
    group = "rbac.authorization.k8s.io"
    role = {"apiGroup": group, "kind": kind, "name": random.choice(NAMES)}
    return {"subjects": [subject], "roleRef": role}


def role(random: World) -> dict[str, Any]:
    rule: dict[str, Any] = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
    if random.random() < 0.5:
        rule["resourceNames"] = [random.choice(NAMES)]
    return {"rules": [rule]}


def policy(random: World) -> dict[str, Any]:
    return {"spec": {"podSelector": {"matchLabels": labels(random)}, "policyTypes": ["Ingress"]}}


def claim(random: World) -> dict[str, Any]:
    return {"spec": {"volumeName": random.choice(NAMES), "accessModes": ["ReadWriteOnce"]}}


def webhook(random: World) -> dict[str, Any]:
    client = {"service": {"name": random.choice(NAMES), "namespace": "default"}}
    return {"webhooks": [{"name": "a.b.c", "clientConfig": client}]}


def widget(random: World) -> dict[str, Any]:
    parts = [{"name": name, "size": random.choice((1, 1.5, "1", None))} for name in ("x", "y")]
    spec = {"parts": parts, "configMap": random.choice(NAMES), "on": True, "image": "nginx:1"}
    return {"spec": spec | {"secretRef": {"name": random.choice(NAMES)}, "flags": ["a", "b"]}}


def bare(_random: World) -> dict[str, Any]:
    return {}


_RBAC = "rbac.authorization.k8s.io/v1"
KINDS: Mapping[tuple[str, str], Callable[[World], dict[str, Any]]] = {
    ("apps/v1", "Deployment"): workload,
    ("apps/v1", "StatefulSet"): stateful,
    ("apps/v1", "DaemonSet"): workload,
    ("batch/v1", "Job"): job,
    ("batch/v1", "CronJob"): cron_job,
    ("v1", "Pod"): pod,
    ("v1", "Service"): service,
    ("v1", "ConfigMap"): data,
    ("v1", "Secret"): data,
    ("v1", "ServiceAccount"): bare,
    ("v1", "Namespace"): bare,
    ("v1", "PersistentVolumeClaim"): claim,
    ("v1", "PersistentVolume"): bare,
    ("networking.k8s.io/v1", "Ingress"): ingress,
    ("networking.k8s.io/v1", "NetworkPolicy"): policy,
    ("autoscaling/v2", "HorizontalPodAutoscaler"): autoscaler,
    (_RBAC, "Role"): role,
    (_RBAC, "ClusterRole"): role,
    (_RBAC, "RoleBinding"): binding,
    (_RBAC, "ClusterRoleBinding"): binding,
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"): webhook,
    ("example.com/v1", "Widget"): widget,
    ("example.com/v1alpha1", "Widget"): widget,
}


def obj(random: World) -> dict[str, Any]:
    """An object of a random kind."""
    version, kind = random.choice(tuple(KINDS))
    name = random.choice(NAMES)
    random.count += 1
    if random.random() < 0.5:
        name = f"{name}-{random.count}"
    random.made.append((version, kind, name))
    metadata: dict[str, Any] = {"name": name}
    if random.random() < 0.15:
        metadata["namespace"] = random.choice(("shop", "default", "other"))
    if random.random() < 0.4:
        metadata["labels"] = labels(random)
    if random.random() < 0.2:
        metadata["annotations"] = {"note": random.choice(VALUES)}
    if random.random() < 0.02:
        metadata["annotations"] = {"config.kubernetes.io/local-config": "true"}
    body = KINDS[version, kind](random)
    metadata |= body.pop("metadata", {})
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **body}
