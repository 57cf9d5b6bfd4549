from typing import Any

from engine.plugin import Severity
from plugins.checks import unreconciled
from tests.support.scripted_api import json
from tests.unit.plugins.checks.scenes import ALL, discovery, found


def objects(count: int) -> Any:
    metadata = [{"name": f"o{number}", "namespace": "ns"} for number in range(count)]
    return json({"items": [{"metadata": each} for each in metadata], "metadata": {}})


async def test_objects_of_other_kinds_are_counted_and_named() -> None:
    replies = {
        **discovery(
            *ALL,
            ("image.toolkit.fluxcd.io", "v1", "ImagePolicy", "imagepolicies"),
            ("apps", "v1", "Deployment", "deployments"),
        ),
        **{
            ("GET", f"/apis/{group}/{version}/{plural}"): objects(0)
            for group, version, _, plural in ALL
        },
        ("GET", "/apis/helm.toolkit.fluxcd.io/v2/helmreleases"): objects(5),
        ("GET", "/apis/image.toolkit.fluxcd.io/v1/imagepolicies"): objects(1),
    }
    findings = await found(unreconciled.check, replies)

    assert [each.what for each in findings] == [
        "5 of HelmRelease (helm.toolkit.fluxcd.io): ns/o0, ns/o1, ns/o2 and 2 more",
        "1 of ImagePolicy (image.toolkit.fluxcd.io): ns/o0",
    ]
    assert {each.severity for each in findings} == {Severity.WARNING}


async def test_objects_of_the_engine_s_own_kinds_are_not() -> None:
    own = [each for each in ALL if each[2] in ("Kustomization", "GitRepository")]
    (finding,) = await found(unreconciled.check, discovery(*own))

    assert finding.severity == Severity.OK
