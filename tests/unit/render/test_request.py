"""Every field of a Kustomization that changes what is built changes the request."""

from typing import Any

import msgspec
import pytest

from engine.api import decode
from engine.api.kustomize import Kustomization, KustomizationSpec
from engine.render import Request

SPEC: dict[str, Any] = {
    "interval": "1m",
    "prune": True,
    "sourceRef": {"kind": "GitRepository", "name": "fleet"},
    "path": "./apps",
}
OF_THE_BUILD: dict[str, Any] = {
    "path": "./base",
    "targetNamespace": "shop",
    "namePrefix": "a-",
    "nameSuffix": "-z",
    "commonMetadata": {"annotations": {"note": "a"}},
    "patches": [{"patch": "- {op: remove, path: /data}"}],
    "images": [{"name": "web", "digest": "sha256:1"}],
    "components": ["../more"],
    "ignoreMissingComponents": True,
    "buildMetadata": ["originAnnotations"],
    "postBuild": {"substitute": {"region": "eu"}},
}
OF_THE_REST = {
    # Which tree is built: its id is compared.
    "sourceRef",
    # When, as whom and how it is applied, and when it is done.
    *("interval", "retryInterval", "timeout", "suspend", "dependsOn", "kubeConfig"),
    *("serviceAccountName", "prune", "deletionPolicy", "wait", "force", "ignore"),
    *("healthChecks", "healthCheckExprs"),
    # Refused as long as nothing can be decrypted.
    "decryption",
}


def request(spec: dict[str, Any]) -> Request:
    """The request of a Kustomization, whose variables are those of its own spec."""
    ks = decode(
        Kustomization,
        {
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
            "kind": "Kustomization",
            "metadata": {"name": "apps", "namespace": "flux"},
            "spec": {**SPEC, **spec},
        },
    )
    post_build = ks.spec.post_build
    return Request.of(ks, dict(post_build.substitute) if post_build else None)


def test_each_field_of_the_spec_is_known_to_change_a_build_or_not_to() -> None:
    fields = {each.encode_name for each in msgspec.structs.fields(KustomizationSpec)}

    assert fields == OF_THE_BUILD.keys() | OF_THE_REST
    assert not OF_THE_BUILD.keys() & OF_THE_REST


@pytest.mark.parametrize("field", OF_THE_BUILD)
def test_a_field_that_changes_a_build_makes_another_request(field: str) -> None:
    assert request({field: OF_THE_BUILD[field]}) != request({})


def test_each_part_of_post_build_makes_another_request() -> None:
    eu, us = ({"substitute": {"region": name}} for name in ("eu", "us"))

    assert request({"postBuild": eu}) != request({"postBuild": us})
    assert request({"postBuild": {}}) != request({})
    assert request({"postBuild": {"substituteStrategy": "Always"}}) != request({"postBuild": {}})


def test_the_settings_that_change_a_build_make_another_request() -> None:
    ks = decode(
        Kustomization,
        {
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
            "kind": "Kustomization",
            "metadata": {"name": "apps", "namespace": "flux"},
            "spec": SPEC,
        },
    )

    plain = Request.of(ks)
    assert Request.of(ks, strict=False) != plain
    assert Request.of(ks, no_remote_bases=True) != plain


def test_a_request_shows_no_values_of_variables() -> None:
    """Some are of Secrets, and who debugs prints requests."""
    assert "hunter2" not in repr(Request(variables={"password": "hunter2"}))
