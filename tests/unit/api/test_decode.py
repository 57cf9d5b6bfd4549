from types import MappingProxyType
from typing import Any

import pytest

from engine.api import Undecodable, decode, encode
from engine.api.helm import HelmRelease
from engine.api.kustomize import Kustomization, KustomizationStatus
from engine.api.meta import ObjectMeta
from engine.api.notification import Alert, Receiver
from engine.api.source import GitRepository, GitRepositoryStatus


def git_repository(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "GitRepository",
        "metadata": {"name": "fleet", "namespace": "flux-system"},
        "spec": {"url": "https://git.example/fleet", "interval": "1m", **spec},
    }


def kustomization(**spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "apps"},
        "spec": {
            "interval": "10m",
            "prune": True,
            "sourceRef": {"kind": "GitRepository", "name": "fleet"},
            **spec,
        },
    }


def test_defaults_of_the_definition_are_filled_in() -> None:
    repository = decode(GitRepository, git_repository())

    assert repository.spec.timeout == 60
    assert repository.spec.provider == "generic"
    assert repository.status.observed_generation == -1


def test_a_status_that_exists_is_not_given_the_generation_of_a_new_one() -> None:
    repository = decode(GitRepository, git_repository() | {"status": {}})

    assert repository.status.observed_generation == 0


def test_a_field_of_a_newer_definition_is_passed_over() -> None:
    assert decode(GitRepository, git_repository(novelty={"x": 1})).spec.interval == 60


def test_null_in_metadata_counts_as_absent() -> None:
    obj = git_repository() | {"metadata": {"name": "a", "creationTimestamp": None, "labels": None}}

    assert decode(GitRepository, obj | {"status": None}).metadata == ObjectMeta(name="a")


def test_mappings_that_are_no_dicts_decode_too() -> None:
    obj = MappingProxyType(git_repository())

    assert decode(GitRepository, obj).metadata.name == "fleet"


def test_values_of_a_release_keep_their_nulls() -> None:
    obj = {
        "metadata": {"name": "a"},
        "spec": {"interval": "1m", "values": {"image": None, "replicas": 2}},
    }

    assert decode(HelmRelease, obj).spec.values == {"image": None, "replicas": 2}


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        (
            {"url": "ftp://x"},
            "$.spec.url: found \"ftp://x\", expected text matching regex '^(http|https|ssh)://.*$'",
        ),
        ({"url": 5}, "$.spec.url: found 5, expected text"),
        ({"url": None}, "$.spec.url: found null, expected text"),
        ({"suspend": "yes"}, '$.spec.suspend: found "yes", expected true or false'),
        ({"ref": []}, "$.spec.ref: found a list, expected a mapping"),
        ({"include": {}}, "$.spec.include: found a mapping, expected a list"),
        ({"ignore": ["a"]}, "$.spec.ignore: found a list, expected text"),
        (
            {"provider": "gcp"},
            '$.spec.provider: found "gcp", expected one of generic, aws, azure, github',
        ),
        (
            {"timeout": "1h"},
            '$.spec.timeout: found "1h", expected a duration such as 90s or 10m,'
            r" matching ^([0-9]+(\.[0-9]+)?(ms|s|m))+$",
        ),
        (
            {"interval": 60},
            "$.spec.interval: found 60, expected a duration such as 90s or 10m,"
            r" matching ^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$",
        ),
        (
            {"include": [{"repository": {"name": "a"}}, {"repository": {}}]},
            "$.spec.include[1].repository.name: found nothing, expected a value",
        ),
        (
            {"include": [{"repository": {"name": 7}}]},
            "$.spec.include[0].repository.name: found 7, expected text",
        ),
    ],
)
def test_a_value_that_does_not_fit_is_quoted_with_its_path(
    spec: dict[str, Any], problem: str
) -> None:
    with pytest.raises(Undecodable) as caught:
        decode(GitRepository, git_repository(**spec))

    assert str(caught.value) == problem


def test_the_path_names_the_key_of_a_mapping() -> None:
    variables = {"good": "1", "bad": 2, "worse": True}

    with pytest.raises(Undecodable) as caught:
        decode(Kustomization, kustomization(postBuild={"substitute": variables}))

    assert caught.value.path == "$.spec.postBuild.substitute.bad"
    assert caught.value.found == "2"


def test_the_path_goes_through_a_mapping_to_what_is_in_it() -> None:
    hooks = {"a": {"phase": "Succeeded"}, "b": {"phase": 3}}
    snapshot = {
        "digest": "sha256:0",
        "name": "a",
        "namespace": "b",
        "version": 1,
        "status": "deployed",
        "chartName": "a",
        "chartVersion": "1.0.0",
        "configDigest": "sha256:0",
        "firstDeployed": "2026-01-01T00:00:00Z",
        "lastDeployed": "2026-01-01T00:00:00Z",
        "testHooks": hooks,
    }
    obj = {"metadata": {"name": "a"}, "spec": {"interval": "1m"}, "status": {"history": [snapshot]}}

    with pytest.raises(Undecodable) as caught:
        decode(HelmRelease, obj)

    assert caught.value.path == "$.status.history[0].testHooks.b.phase"


def test_a_long_value_is_cut() -> None:
    with pytest.raises(Undecodable) as caught:
        decode(GitRepository, git_repository(url="x" * 1000))

    assert len(caught.value.found) < 100


@pytest.mark.parametrize(
    ("obj", "problem"),
    [
        ({}, "$.metadata: found nothing, expected a value"),
        ({"metadata": {"name": "a"}}, "$.spec: found nothing, expected a value"),
        ({"metadata": [], "spec": {}}, "$.metadata: found a list, expected a mapping"),
        (
            {"metadata": {"name": "a", "creationTimestamp": "today"}, "spec": {}},
            '$.metadata.creationTimestamp: found "today", expected an RFC 3339 time',
        ),
        ([], "$: found a list, expected a mapping"),
    ],
)
def test_what_is_no_object_at_all_is_refused(obj: Any, problem: str) -> None:
    with pytest.raises(Undecodable) as caught:
        decode(GitRepository, obj)

    assert str(caught.value) == problem


def test_an_encoded_status_holds_only_what_is_known() -> None:
    assert encode(GitRepositoryStatus(observed_generation=-1)) == {"observedGeneration": -1}
    assert encode(KustomizationStatus()) == {}


def test_a_duration_in_a_status_is_text() -> None:
    snapshot = {
        "digest": "sha256:0",
        "firstReconciled": "2026-01-01T00:00:00Z",
        "lastReconciled": "2026-01-01T00:00:00Z",
        "lastReconciledDuration": "85.5µs",
        "lastReconciledStatus": "ReconciliationSucceeded",
        "totalReconciliations": 1,
    }
    ks = decode(Kustomization, kustomization() | {"status": {"history": [snapshot]}})

    assert encode(ks.status) == {"history": [snapshot]}


@pytest.mark.parametrize("kind", ["FluxInstance", "ResourceSet", "ResourceSetInputProvider"])
def test_kinds_that_the_flux_operator_adds_to_the_definitions_are_taken(kind: str) -> None:
    of = [{"kind": kind, "name": "*"}]
    alert = {"providerRef": {"name": "chat"}, "eventSources": of}
    receiver = {"type": "github", "secretRef": {"name": "push"}, "resources": of}

    assert decode(Alert, {"metadata": {"name": "a"}, "spec": alert}).spec.event_sources[0].kind
    assert decode(Receiver, {"metadata": {"name": "a"}, "spec": receiver}).spec.resources[0].kind
