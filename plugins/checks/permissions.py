"""Whether the caller may do what the engine does."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product

from engine.api.meta import KUSTOMIZE_GROUP, NOTIFICATION_GROUP, SOURCE_GROUP
from engine.cluster import NotFound, Resource
from engine.plugin import Context, Finding, Severity
from engine.settings import Settings

_REVIEWS = Resource(
    "authorization.k8s.io",
    "v1",
    "SelfSubjectAccessReview",
    "selfsubjectaccessreviews",
    namespaced=False,
)
_RECEIVERS = (NOTIFICATION_GROUP, "receivers")
_FIX = "bind the ClusterRole of the chart, or run as cluster-admin"


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that the engine does; empty namespace: in all of them."""

    verb: str
    group: str
    resource: str
    subresource: str = ""
    namespace: str = ""

    def __str__(self) -> str:
        plural = f"{self.resource}.{self.group}" if self.group else self.resource
        whole = f"{plural}/{self.subresource}" if self.subresource else plural
        return f"{self.verb} {whole}" + (f" in {self.namespace}" if self.namespace else "")


async def check(context: Context) -> Iterable[Finding]:
    """A finding that lists what may not be done, or one that everything may.

    Asked for the caller: run it as the engine's own identity to know about that one.
    """
    deeds = list(needed(context))
    try:
        denied = [str(deed) for deed in deeds if not await _is_allowed(deed, context)]
    except NotFound:
        what = "permissions are not checked: this API server serves no SelfSubjectAccessReview"
        return [Finding(Severity.WARNING, what)]
    if not denied:
        return [Finding(Severity.OK, f"this identity may do all {len(deeds)} things needed")]
    return [Finding(Severity.ERROR, f"this identity may not: {', '.join(denied)}", _FIX)]


def needed(context: Context) -> Iterator[Deed]:
    """What an engine with these settings does."""
    settings = context.settings
    home = settings.runtime_namespace
    scope = "" if settings.watch_all_namespaces else home
    watched = ("gitrepositories", "ocirepositories", "buckets", "externalartifacts")
    read = [(KUSTOMIZE_GROUP, "kustomizations"), *((SOURCE_GROUP, each) for each in watched)]
    if settings.serves_receivers:
        read.append(_RECEIVERS)
    for verb, (group, plural) in product(("get", "list", "watch"), read):
        yield Deed(verb, group, plural, namespace=scope)
    written = [(KUSTOMIZE_GROUP, "kustomizations")]
    if settings.sources == "git":
        written.append((SOURCE_GROUP, "gitrepositories"))
    if settings.serves_receivers:
        written.append(_RECEIVERS)
    for group, plural in written:
        yield Deed("patch", group, plural, namespace=scope)
        yield Deed("patch", group, plural, "status", scope)
    yield Deed("create", "", "events", namespace=scope)
    if settings.object_level_workload_identity:
        yield Deed("get", "", "serviceaccounts", namespace=scope)
        yield Deed("create", "", "serviceaccounts", "token", scope)
    if settings.enable_leader_election:
        for verb in ("get", "create", "patch"):
            yield Deed(verb, "coordination.k8s.io", "leases", namespace=home)
    yield from _of_whatever_git_holds(settings.effective)


def _of_whatever_git_holds(settings: Settings) -> Iterator[Deed]:
    """Where each Kustomization acts as a service account, the engine itself only watches."""
    if settings.default_service_account:
        yield Deed("impersonate", "", "serviceaccounts")
        verbs: tuple[str, ...] = ("list", "watch")
    else:
        verbs = ("get", "create", "patch", "delete")
    for verb in verbs:
        yield Deed(verb, "*", "*")


async def _is_allowed(deed: Deed, context: Context) -> bool:
    attributes = {
        "verb": deed.verb,
        "group": deed.group,
        "resource": deed.resource,
        "subresource": deed.subresource,
        "namespace": deed.namespace,
    }
    review = {
        "apiVersion": _REVIEWS.api_version,
        "kind": _REVIEWS.kind,
        "spec": {"resourceAttributes": attributes},
    }
    answer = await context.client.create(_REVIEWS, review)
    return bool((answer.get("status") or {}).get("allowed"))
