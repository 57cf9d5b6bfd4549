from typing import Any

import pytest

from engine.plugin import Severity
from plugins.checks import leases
from tests.support.scripted_api import json
from tests.unit.plugins.checks.scenes import found

LEASES = "/apis/coordination.k8s.io/v1/namespaces/flux-system/leases"
NOW = 1_000_000.0  # 1970-01-12T13:46:40Z


def lease(holder: str | None, renewed: str = "1970-01-12T13:46:30.000000Z") -> dict[str, Any]:
    spec = {"holderIdentity": holder, "leaseDurationSeconds": 35, "renewTime": renewed}
    return {"spec": spec}


@pytest.mark.parametrize(
    ("given", "severity", "what"),
    [
        (None, Severity.WARNING, "nobody holds Lease x: no engine runs"),
        (lease(None), Severity.WARNING, "nobody holds Lease x: no engine runs"),
        (lease("pod_1"), Severity.OK, "Lease x is held by 'pod_1'"),
        (
            lease("pod_1", "1970-01-12T13:46:00.000000Z"),
            Severity.WARNING,
            "Lease x is held by 'pod_1', which has not renewed it for 40s",
        ),
    ],
)
def test_a_lease_says_who_writes(
    given: dict[str, Any] | None, severity: Severity, what: str
) -> None:
    finding = leases.judged("x", given, NOW)

    assert (finding.severity, finding.what) == (severity, what)


async def test_each_lease_is_a_finding() -> None:
    name = "kustomize-controller-leader-election"
    held = json({**lease("pod_1", "2999-01-01T00:00:00.000000Z"), "kind": "Lease"})
    ours, *others = await found(leases.check, {("GET", f"{LEASES}/{name}"): held})

    assert ours.what == f"Lease flux-system/{name} is held by 'pod_1'"
    for each, controller in zip(others, ("source", "notification"), strict=True):
        assert each.what.startswith(f"nobody holds Lease flux-system/{controller}-controller")
