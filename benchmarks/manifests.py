"""The objects of a synthetic fleet: a function a kind, all else from a seed."""

import base64
from random import Random
from typing import Any

Manifest = dict[str, Any]


def config_map(random: Random) -> Manifest:
    data = {f"key-{key}": random.randbytes(16).hex() for key in range(random.randint(2, 8))}
    return {"apiVersion": "v1", "data": data}


def secret(random: Random) -> Manifest:
    value = base64.b64encode(random.randbytes(24)).decode()
    return {"apiVersion": "v1", "type": "Opaque", "data": {"token": value}}


def deployment(random: Random) -> Manifest:
    """A Deployment scaled to nothing: it is healthy where no pods run."""
    container = {
        "name": "app",
        "image": f"registry.example/app:{random.randint(1, 99)}",
        "ports": [{"containerPort": 8080, "name": "http"}],
        "env": [{"name": "SHARD", "value": str(random.randint(0, 9))}],
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
    }
    labels = {"component": f"c{random.randint(0, 999)}"}
    return {
        "apiVersion": "apps/v1",
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def service(random: Random) -> Manifest:
    selector = {"component": f"c{random.randint(0, 999)}"}
    ports = [{"name": "http", "port": 80, "targetPort": "http"}]
    return {"apiVersion": "v1", "spec": {"selector": selector, "ports": ports}}


def service_account(_: Random) -> Manifest:
    return {"apiVersion": "v1", "automountServiceAccountToken": False}


def role(random: Random) -> Manifest:
    verbs = random.sample(["get", "list", "watch", "update"], 2)
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": sorted(verbs)}]
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "rules": rules}


def network_policy(random: Random) -> Manifest:
    selector = {"matchLabels": {"component": f"c{random.randint(0, 999)}"}}
    spec = {"podSelector": selector, "policyTypes": ["Ingress"]}
    return {"apiVersion": "networking.k8s.io/v1", "spec": spec}


def ingress(random: Random) -> Manifest:
    """An Ingress for one host."""
    backend = {"service": {"name": f"s{random.randint(0, 999)}", "port": {"name": "http"}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    rule = {"host": f"{random.randbytes(4).hex()}.example.com", "http": {"paths": [path]}}
    return {"apiVersion": "networking.k8s.io/v1", "spec": {"rules": [rule]}}
