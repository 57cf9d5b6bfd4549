"""Where and how a Kustomization applies: identity, policy, and what is live there now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from engine.api.kustomize import Kustomization
from engine.apply import Executor
from engine.apply.executor import each
from engine.apply.failures import no_namespace, refused
from engine.cluster import UnknownKind
from engine.errors import FeatureGateDisabled, ReconciliationFailed
from engine.objects.ref import Object, Ref, version_of
from engine.plan.brake import APPROVAL
from engine.plan.inventory import Inventory
from engine.plan.policy import Owner, Policy
from engine.reconcile.desired import Desired
from engine.reconcile.run import Run


def check_supported(ks: Kustomization) -> None:
    """Raises FeatureGateDisabled for a field that this version would have to ignore.

    Ignoring one could apply to the wrong cluster, or call something healthy that is not.
    """
    spec = ks.spec
    fields = {
        "spec.kubeConfig": spec.kube_config,
        "spec.healthCheckExprs": spec.health_check_exprs,
        "spec.ignore": spec.ignore,
        "spec.dependsOn[].readyExpr": any(each.ready_expr for each in spec.depends_on),
    }
    for name, value in fields.items():
        if value:
            raise FeatureGateDisabled(
                f"{name} is not supported by this version of Lockstep: remove the field, or leave "
                "this Kustomization to Flux (label and --watch-label-selector)"
            )


def executor_of(ks: Kustomization, run: Run, origins: Mapping[Ref, str]) -> Executor:
    """What applies for this Kustomization, under the identity that it asks for."""
    settings, client = run.engine.settings, run.client
    account = ks.spec.service_account_name or settings.default_service_account
    if account:
        client = client.impersonating(f"system:serviceaccount:{ks.metadata.namespace}:{account}")
    return Executor(
        client=client,
        clock=run.engine.clock,
        manager=settings.field_manager,
        overridden=settings.override_manager,
        in_flight=settings.concurrent_ssa,
        group_timeout=settings.stage_timeout,
        origins=origins,
    )


def policy_of(ks: Kustomization, run: Run) -> Policy:
    """How the Kustomization wants to be planned."""
    settings = run.engine.settings
    return Policy(
        owner=Owner(ks.metadata.name, ks.metadata.namespace),
        prune=ks.spec.prune,
        force=ks.spec.force,
        custom=frozenset(settings.custom_apply_stage_kinds),
        brake=settings.prune_brake,
        approved=ks.metadata.annotations.get(APPROVAL, ""),
    )


async def scoped(desired: Desired, executor: Executor) -> Desired:
    """The same without the namespace of objects whose kind has cluster scope.

    kustomize gives a namespace to each kind that it does not know; left there, it would make two
    objects of one, and the one in the inventory would look as if it had left Git.
    """
    defined = {
        (spec["group"], spec["names"]["kind"]): spec.get("scope") == "Namespaced"
        for obj in desired.objects
        if obj["kind"] == "CustomResourceDefinition" and (spec := obj.get("spec") or {})
    }

    async def is_scoped(obj: Object) -> bool:
        ref = Ref.of(obj)
        if (ref.group, ref.kind) in defined:
            return defined[ref.group, ref.kind]
        try:
            found = await executor.client.discovery.resource(ref.group, version_of(obj), ref.kind)
        except UnknownKind:
            return True  # applying says so
        return found.namespaced

    objects, origins = [], dict(desired.origins)
    for obj in desired.objects:
        ref = Ref.of(obj)
        if ref.namespace and not await is_scoped(obj):
            metadata = {key: value for key, value in obj["metadata"].items() if key != "namespace"}
            obj = {**obj, "metadata": metadata}
            origins[Ref.of(obj)] = origins.pop(ref, "")
        objects.append(obj)
    return replace(desired, objects=tuple(objects), origins=origins)


@dataclass(frozen=True, slots=True)
class View:
    """The live objects that exist; unread: what left Git and could not be read."""

    objects: Mapping[Ref, Object]
    unread: frozenset[Ref]


async def live_view(desired: Sequence[Object], inventory: Inventory, executor: Executor) -> View:
    """The live objects of desired and inventory: the classic way, a GET for each.

    Raises ReconciliationFailed if a desired one may not or cannot be read: what is unknown is not
    absent.
    """
    wanted = {Ref.of(obj): version_of(obj) for obj in desired}
    versions = {**inventory, **wanted}
    refs = list(versions)
    await _know_kinds(versions, executor)

    async def read(ref: Ref) -> Object | None:
        try:
            found = await executor.client.discovery.resource(ref.group, versions[ref], ref.kind)
        except UnknownKind:
            return None  # no definition, no object; applying says so if it is not in this set
        if found.namespaced and not ref.namespace:
            raise ReconciliationFailed(no_namespace(ref, executor.origins.get(ref, "")))
        return await executor.client.get(found, ref.namespace, ref.name)

    results = dict(zip(refs, await each(refs, read, executor.in_flight), strict=True))
    failures = {ref: each for ref, each in results.items() if isinstance(each, Exception)}
    refusals = [
        refused(ref, error, "dry-run", executor.origins.get(ref, ""))
        for ref, error in failures.items()
        if ref in wanted
    ]
    if refusals:
        raise ReconciliationFailed("\n".join(refusals))
    found = {ref: each for ref, each in results.items() if isinstance(each, Mapping)}
    return View(found, frozenset(failures))


async def _know_kinds(versions: Mapping[Ref, str], executor: Executor) -> None:
    """Has discovery ask anew, once, if it does not know a kind: it may have come just now."""
    discovery = executor.client.discovery
    for ref, version in versions.items():
        try:
            await discovery.resource(ref.group, version, ref.kind)
        except UnknownKind:
            discovery.invalidate()
            return
