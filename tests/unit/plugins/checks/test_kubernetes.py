import pytest

from engine.plugin import Severity
from plugins.checks import kubernetes
from tests.support.scripted_api import json
from tests.unit.plugins.checks.scenes import found


@pytest.mark.parametrize(
    ("version", "severity"),
    [
        ("v1.33.0", Severity.OK),
        ("v1.36.3-eks-1", Severity.OK),
        ("v1.32.9", Severity.WARNING),
        ("v2.0.0", Severity.OK),
        ("unknown", Severity.WARNING),
    ],
)
async def test_kubernetes_must_not_be_older_than_flux_wants(
    version: str, severity: Severity
) -> None:
    (finding,) = await found(kubernetes.check, {("GET", "/version"): json({"gitVersion": version})})

    assert finding.severity == severity
    assert version in finding.what
