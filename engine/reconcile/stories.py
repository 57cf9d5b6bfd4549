"""The kinds that are reconciled here, and how: a Story each."""

from engine.api.kustomize import Kustomization
from engine.api.source import GitRepository
from engine.reconcile import deletion, git_repository, kustomization, telling
from engine.reconcile.lifecycle import Story


def _own_retry(ks: Kustomization) -> float:
    return ks.retry_interval


def _growing(_: GitRepository) -> None:
    return None


KUSTOMIZATION = Story(
    group="kustomize.toolkit.fluxcd.io",
    version="v1",
    kind="Kustomization",
    model=Kustomization,
    controller="kustomize-controller",
    manager="gotk-kustomize-controller",
    reconcile=kustomization.reconcile,
    finalize=deletion.finalize,
    retry_after=_own_retry,
    close=telling.close,
)

GIT_REPOSITORY = Story(
    group="source.toolkit.fluxcd.io",
    version="v1",
    kind="GitRepository",
    model=GitRepository,
    controller="source-controller",
    manager="source-controller",
    reconcile=git_repository.reconcile,
    finalize=git_repository.finalize,
    retry_after=_growing,
    close=git_repository.close,
)
