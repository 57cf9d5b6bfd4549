"""Where and how a Kustomization applies: identity, policy, and what is live there now."""

from collections.abc import Mapping, Sequence

from engine.api.kustomize import Kustomization
from engine.apply import Executor
from engine.apply.execute import each
from engine.apply.failures import refused
from engine.cluster import UnknownKind
from engine.errors import FeatureGateDisabled, ReconciliationFailed
from engine.objects.ref import Object, Ref, version_of
from engine.plan.brake import APPROVAL
from engine.plan.inventory import Inventory
from engine.plan.policy import Owner, Policy
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


async def live_view(
    desired: Sequence[Object], inventory: Inventory, executor: Executor
) -> dict[Ref, Object]:
    """The live objects of desired and inventory: the classic way, a GET for each.

    Raises ReconciliationFailed if one may not or cannot be read: what is unknown is not absent.
    """
    versions = {**inventory, **{Ref.of(obj): version_of(obj) for obj in desired}}
    refs = list(versions)

    async def read(ref: Ref) -> Object | None:
        try:
            found = await executor.client.discovery.resource(ref.group, versions[ref], ref.kind)
        except UnknownKind:
            return None  # no definition, no object; applying says so if it is not in this set
        if found.namespaced and not ref.namespace:
            raise ReconciliationFailed(f"{ref} namespace not specified{_origin(ref, executor)}")
        return await executor.client.get(found, ref.namespace, ref.name)

    results = await each(refs, read, executor.in_flight)
    refusals = [
        refused(ref, result, "dry-run", executor.origins.get(ref, ""))
        for ref, result in zip(refs, results, strict=True)
        if isinstance(result, Exception)
    ]
    if refusals:
        raise ReconciliationFailed("\n".join(refusals))
    return {
        ref: result
        for ref, result in zip(refs, results, strict=True)
        if isinstance(result, Mapping)
    }


def _origin(ref: Ref, executor: Executor) -> str:
    origin = executor.origins.get(ref)
    hint = ": set metadata.namespace there, or spec.targetNamespace on the Kustomization"
    return (f" ({origin})" if origin else "") + hint
