from engine.plugin import Finding, Severity
from plugins.checks import definitions
from tests.unit.plugins.checks.scenes import ALL, discovery, found


async def test_all_definitions_are_one_finding() -> None:
    findings = await found(definitions.check, discovery(*ALL))

    assert findings == [Finding(Severity.OK, "all 11 definitions are served")]


async def test_a_missing_definition_is_an_error_only_if_the_engine_needs_it() -> None:
    there = [each for each in ALL if each[2] not in ("Kustomization", "Bucket")]
    error, warning = await found(definitions.check, discovery(*there))

    assert (error.severity, error.what) == (Severity.ERROR, "not served: Kustomization (v1)")
    assert (warning.severity, warning.what) == (Severity.WARNING, "not served: Bucket (v1)")
    assert "--install-crds" in error.fix


async def test_a_definition_in_another_version_does_not_count() -> None:
    old = [
        ("helm.toolkit.fluxcd.io", "v2beta1", *each[2:]) if each[2] == "HelmRelease" else each
        for each in ALL
    ]
    (finding,) = await found(definitions.check, discovery(*old))

    assert finding.what == "not served: HelmRelease (v2)"
