"""How a Kustomization applies: what is supported, its identity and its policy."""

from engine.api.kustomize import Kustomization
from engine.apply import Executor
from engine.errors import FeatureGateDisabled
from engine.plan.brake import APPROVAL
from engine.plan.policy import Owner, Policy
from engine.reconcile.builds import Desired
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


def executor_of(ks: Kustomization, run: Run, desired: Desired) -> Executor:
    """What applies for this Kustomization, under the identity that it asks for."""
    claims, owner = run.engine.claims, run.turn.key
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
        origins=desired.origins,
        live=run.engine.live,
        settle=lambda ref, signature: claims.settle(owner, ref, desired.contents[ref], signature),
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
