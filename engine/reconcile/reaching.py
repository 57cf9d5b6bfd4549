"""The cluster that a Kustomization is for: found before anything is built, or why it is not.

Source: flux-behaviour 1.9; fluxcd/pkg runtime/client (impersonator, kubeconfig).
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from engine.api.applier import KubeConfig
from engine.api.kustomize import Kustomization
from engine.api.meta import READY
from engine.cluster import ApiError
from engine.cluster.connect import InvalidKubeconfig, Licence, from_tenant
from engine.cluster.endpoint import Endpoint
from engine.cluster.pool import Link, TooManyClusters
from engine.errors import (
    BuildFailed,
    ClusterSilent,
    ClusterStillSilent,
    HealthCheckFailed,
    PruneFailed,
    ReconciliationFailed,
)
from engine.objects.ref import Ref
from engine.plan.inventory import parse_inventory
from engine.plan.partition import OUT_OF_REACH
from engine.plugin import TokenUnavailable
from engine.reconcile.clusters import Cluster
from engine.reconcile.issued import issued_endpoint
from engine.reconcile.run import Run, rfc3339
from engine.reconcile.secrets import values_of
from engine.status.conditions import condition, find, with_condition, without_conditions
from engine.telemetry import span

T = TypeVar("T")

CLUSTER = "gitops.lockstep/Cluster"
"""Type of the condition of what is for another cluster: its message is `<name> <mark>`."""

_SAFETY_NET = 600.0  # seconds; it is woken once the cluster answers
_KEYS = ("value", "value.yaml")  # of a Secret, where spec.kubeConfig.secretRef.key is not set


async def reach(ks: Kustomization, run: Run) -> None:
    """Finds the cluster that `spec.kubeConfig` names: from here on it is `run.cluster`.

    Raises ReconciliationFailed if it cannot be found, or gives no answer.
    """
    clusters, config = run.engine.clusters, ks.spec.kube_config
    cluster = clusters.own
    if config is not None:
        try:
            with span("connect", cluster=_title(_named(config, ks))):
                cluster = await _remote(config, ks, run)
        except (ApiError, InvalidKubeconfig, TokenUnavailable, TooManyClusters) as error:
            text = f"failed to build kube client: {error}{_advice(run)}"
            raise ReconciliationFailed(text) from error
    before = clusters.enter(run.given, cluster)
    if before is not None:
        run.engine.orderly.forget(run.turn.key)
    left = await _left(before, cluster, run)
    if left:
        _tell_moved(left, run)
    run.cluster = cluster
    run.until_end.enter_context(cluster.drift.running(run.turn.key))


async def _left(before: Cluster | None, cluster: Cluster, run: Run) -> str:
    """Which cluster the objects stay in that were applied so far, "" if it is the same.

    A condition of ours notes where they are, as engines come and go.
    before: the other one for which this engine has run it, if there is one.
    """
    conditions = run.status.get("conditions") or []
    noted = find(conditions, CLUSTER)
    if cluster.link is None and noted is None:
        return _called(before.name) if before is not None else ""
    try:
        mark = await run.engine.clusters.mark_of(cluster)
    except ApiError:  # of our own cluster: the next run asks again
        return ""
    known, _, marked = str((noted or {}).get("message", "")).rpartition(" ")
    if cluster.link is None:
        run.status["conditions"] = without_conditions(conditions, CLUSTER)
    else:
        generation, text = run.given["metadata"].get("generation", 0), f"{cluster.name} {mark}"
        new = condition(CLUSTER, "True", "Reached", text, generation, run.engine.now())
        run.status["conditions"] = with_condition(conditions, new)
    if before is not None:
        return _called(before.name)
    return _called(known) if noted is not None and marked != mark else ""


def _called(name: str) -> str:
    return f"cluster '{name}'" if name else "the engine's own cluster"


def _tell_moved(name: str, run: Run) -> None:
    """What was applied to another cluster stays there: nobody looks for it here."""
    inventory = parse_inventory(run.status)
    if inventory:
        run.emit(
            "Warning",
            "KubeConfigChanged",
            f"spec.kubeConfig leads to another cluster now: {len(inventory)} objects stay in "
            f"{name}, and nobody looks after them any more; delete them there, or point "
            "spec.kubeConfig back and delete them by Git first",
            run.told,
        )


async def _remote(config: KubeConfig, ks: Kustomization, run: Run) -> Cluster:
    link = await _link(config, ks, run)
    run.secrets += link.secrets
    if link.breaker.outage is not None:
        raise silence(link, run)
    try:
        return await run.engine.clusters.at(link)
    except ApiError as error:
        if link.breaker.outage is not None:
            raise silence(link, run) from None
        if error.status and not error.reason:  # what is there is not for whoever named the address
            text = f"{link.client.endpoint.host} answers, but not as an API server does"
            raise InvalidKubeconfig(f"{text}: HTTP {error.status}: look at its address") from None
        raise


async def _link(config: KubeConfig, ks: Kustomization, run: Run) -> Link:
    """The connection; the Secret or ConfigMap is read only if it may have changed."""
    clusters, named, key = run.engine.clusters, _named(config, ks), _key(config)
    version = await clusters.kubeconfigs.version(named, run.engine.client)
    known = clusters.kubeconfigs.link(named, key, version)
    if known is not None and not run.is_verification:
        clusters.pool.use(run.turn.key, known)
        return known
    try:
        link = await _opened(config, named, run)
    except BaseException:
        clusters.kubeconfigs.unmade(named)
        raise
    clusters.kubeconfigs.keep(named, key, version, link)
    return link


async def _opened(config: KubeConfig, named: Ref, run: Run) -> Link:
    """The connection that the Secret or ConfigMap describes as it is now."""
    try:
        values = await values_of(named.kind, named.namespace, named.name, run)
    except BuildFailed as error:  # not base64
        raise InvalidKubeconfig(error.message) from error
    name = _title(named)
    if config.config_map_ref is not None:
        digest, endpoint = await _of_config_map(values, name, run)
    else:
        digest, endpoint = _of_secret(values, name, _key(config), run)
    # Not shared with other namespaces: a message may tell by which name a connection was made.
    key = named.namespace, digest
    return await run.engine.clusters.pool.link(run.turn.key, key, name, endpoint)


def _named(config: KubeConfig, ks: Kustomization) -> Ref:
    """The Secret or ConfigMap; decoding has made sure that there is one of the two."""
    if config.config_map_ref is not None:
        return Ref("", "ConfigMap", ks.metadata.namespace, config.config_map_ref.name)
    name = config.secret_ref.name if config.secret_ref is not None else ""
    return Ref("", "Secret", ks.metadata.namespace, name)


def _title(named: Ref) -> str:
    """What metrics, traces and messages call the cluster."""
    return f"{named.namespace}/{named.name}"


def _key(config: KubeConfig) -> str:
    return config.secret_ref.key if config.secret_ref is not None else ""


_Made = tuple[str, Callable[[], Awaitable[Endpoint]]]
"""What tells the endpoint from others, and how to make it."""


def _of_secret(values: dict[str, bytes] | None, name: str, key: str, run: Run) -> _Made:
    """Raises InvalidKubeconfig."""
    settings, content = run.engine.settings, kubeconfig_in(values, name, key)
    licence = Licence(settings.insecure_kubeconfig_exec, settings.insecure_kubeconfig_tls)

    async def endpoint() -> Endpoint:
        return from_tenant(content, name, licence)

    return f"Secret {hashlib.sha256(content).hexdigest()}", endpoint


def kubeconfig_in(values: Mapping[str, bytes] | None, name: str, key: str) -> bytes:
    """The kubeconfig that a Secret holds.

    values: None: there is no such Secret.   key: of the kubeconfig, "" for Flux's usual ones.
    Raises InvalidKubeconfig.
    """
    if values is None:
        raise InvalidKubeconfig(
            f"unable to read KubeConfig secret '{name}' error: there is none: create it"
        )
    found = next((values[each] for each in ([key] if key else _KEYS) if each in values), None)
    if found is None:
        raise InvalidKubeconfig(
            f"KubeConfig secret '{name}' does not contain a '{key or _KEYS[0]}' key with a "
            "kubeconfig: add it, or set spec.kubeConfig.secretRef.key"
        )
    return found


async def _of_config_map(values: dict[str, bytes] | None, name: str, run: Run) -> _Made:
    """Raises InvalidKubeconfig."""
    if values is None:
        raise InvalidKubeconfig(f"failed to get configmap '{name}': there is none: create it")
    found = {key: value.decode("utf-8", "replace") for key, value in values.items()}
    text = repr(sorted(found.items()))
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"ConfigMap {digest}", issued_endpoint(found, name, run)


def reached(
    story: Callable[[Kustomization, Run], Awaitable[T]],
) -> Callable[[Kustomization, Run], Awaitable[T]]:
    """The story; what fails in it because the cluster fell silent is said in one sentence."""

    async def told(ks: Kustomization, run: Run) -> T:
        try:
            return await story(ks, run)
        except ClusterSilent:
            raise
        except (ReconciliationFailed, PruneFailed, HealthCheckFailed, ApiError) as error:
            link = run.cluster.link
            if link is None or link.breaker.outage is None:
                raise
            raise silence(link, run) from error

    return told


def check_reachable(run: Run) -> None:
    """Raises ReconciliationFailed if the cluster has fallen silent."""
    link = run.cluster.link
    if link is not None and link.breaker.outage is not None:
        raise silence(link, run)


def silence(link: Link, run: Run) -> ReconciliationFailed:
    """What is said of a cluster that gives no answer: once, and the same until it does.

    The draft notes it in a condition of ours, which stays until its objects were looked at.
    """
    outage = link.breaker.outage
    why, since = (outage.why, rfc3339(outage.since)) if outage is not None else ("", "")
    text = (
        f"cluster '{link.name}' at {link.client.endpoint.host} gives no answer since {since}: "
        f"{why}; this goes on by itself once it answers: look at the network and at "
        f"spec.kubeConfig, or suspend the Kustomization{_advice(run)}"
    )
    _note_out_of_reach(link, run)
    ready = find((run.given.get("status") or {}).get("conditions") or [], READY) or {}
    is_known = (ready.get("status"), ready.get("message")) == ("False", text)
    kind = ClusterStillSilent if is_known else ClusterSilent
    return kind(text, retry_after=_SAFETY_NET)


def _note_out_of_reach(link: Link, run: Run) -> None:
    text = f"cluster '{link.name}' gave no answer, and what changed there is not looked at yet"
    generation = run.given["metadata"].get("generation", 0)
    new = condition(OUT_OF_REACH, "True", "NoAnswer", text, generation, run.engine.now())
    run.status["conditions"] = with_condition(run.status.get("conditions") or [], new)


def _advice(run: Run) -> str:
    """What the end of a Kustomization is told whose objects cannot be deleted."""
    if not run.given["metadata"].get("deletionTimestamp"):
        return ""
    return (
        "; nothing is deleted there meanwhile: to delete the Kustomization alone, set spec.suspend "
        "to true or spec.deletionPolicy to Orphan; its objects stay then"
    )
