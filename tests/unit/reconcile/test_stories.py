"""What is kept of a malformed object so that it can be deleted."""

import pytest

from engine.api import decode
from engine.api.kustomize import Kustomization
from engine.api.source import GitRepository
from engine.reconcile.stories import salvaged_kustomization, salvaged_source


def malformed(**spec: object) -> dict[str, object]:
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": "app", "namespace": "apps", "uid": "u", "generation": 2},
        "spec": {"interval": "99999999999h", "prune": True, **spec},
    }


def test_policy_and_identity_survive() -> None:
    obj = malformed(deletionPolicy="Orphan", serviceAccountName="tenant", suspend=True)

    ks = decode(Kustomization, salvaged_kustomization(obj))

    assert ks.metadata.name == "app"
    assert (ks.spec.prune, ks.spec.suspend) == (True, True)
    assert (ks.spec.deletion_policy, ks.spec.service_account_name) == ("Orphan", "tenant")


@pytest.mark.parametrize("spec", [{"prune": "yes"}, {"prune": None}])
def test_nothing_is_deleted_that_nobody_asked_to_be_deleted(spec: dict[str, object]) -> None:
    assert decode(Kustomization, salvaged_kustomization(malformed(**spec))).spec.prune is False


def test_objects_of_another_cluster_are_not_looked_for_here() -> None:
    ks = decode(Kustomization, salvaged_kustomization(malformed(kubeConfig={"x": 1})))

    assert ks.spec.kube_config is not None


def test_the_cluster_of_a_malformed_kustomization_is_still_found() -> None:
    named = {"secretRef": {"name": "east", "key": 7, "odd": True}}
    ks = decode(Kustomization, salvaged_kustomization(malformed(kubeConfig=named)))

    assert ks.spec.kube_config is not None
    assert ks.spec.kube_config.secret_ref is not None
    assert ks.spec.kube_config.secret_ref.name == "east"


def test_a_spec_that_is_no_mapping_decodes() -> None:
    assert decode(Kustomization, salvaged_kustomization({**malformed(), "spec": 7}))
    assert decode(GitRepository, salvaged_source({**malformed(), "spec": 7}))
