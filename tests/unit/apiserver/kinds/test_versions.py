from tests.unit.apiserver.conftest import APPLY, Client

V1 = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers"
V2 = V1.replace("/v1/", "/v2/")
MEMORY = {
    "type": "Resource",
    "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}},
}
SPEC = {
    "maxReplicas": 3,
    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a"},
}


def scaler(version: str, **spec):
    kind = {"apiVersion": f"autoscaling/{version}", "kind": "HorizontalPodAutoscaler"}
    return {**kind, "metadata": {"name": "a"}, "spec": {**SPEC, **spec}}


def test_a_write_at_the_old_version_keeps_what_it_cannot_say(client: Client):
    behavior = {"scaleDown": {"stabilizationWindowSeconds": 5}}
    client.send("POST", V2, scaler("v2", metrics=[MEMORY], behavior=behavior))

    code, _ = client.send(
        "PATCH",
        f"{V1}/a?fieldManager=m",
        scaler("v1", targetCPUUtilizationPercentage=50),
        media=APPLY,
    )
    spec = client.get(f"{V2}/a")["spec"]

    assert code == 200
    assert spec["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 5
    assert [metric["resource"]["name"] for metric in spec["metrics"]] == ["cpu", "memory"]


def test_the_old_version_wants_eighty_percent_unless_told(client: Client):
    client.send("POST", V1, scaler("v1"))

    target = client.get(f"{V2}/a")["spec"]["metrics"][0]["resource"]["target"]

    assert target == {"type": "Utilization", "averageUtilization": 80}
