"""How a Kustomization applies: what is supported, its identity and its policy."""

import re
from functools import partial

from engine.api.kustomize import Kustomization
from engine.apply import Executor
from engine.errors import ReconciliationFailed
from engine.plan.brake import APPROVAL
from engine.plan.ignore import ignored_fields
from engine.plan.policy import Owner, Policy
from engine.reconcile.builds import Desired
from engine.reconcile.expressions import checked, health_expressions
from engine.reconcile.making import teller
from engine.reconcile.places import places_of_fields
from engine.reconcile.run import Run

_ACCOUNT = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
_SHOWN = 60  # characters of a name in a message


def check_supported(ks: Kustomization) -> None:
    """Raises InvalidCELExpression for an expression of health that is none."""
    health_expressions(ks)


def _tune_view(ks: Kustomization, run: Run, desired: Desired) -> None:
    """Has the live view look as `spec.ignore` and the expressions of health say.

    Raises ReconciliationFailed for a rule of `spec.ignore` that cannot be
    understood, InvalidCELExpression.
    """
    owner, live = run.turn.key, run.cluster.live
    for ref in live.ignored.set(owner, ignored_fields(ks.spec.ignore, desired.objects)):
        live.doubt(ref)
        run.cluster.claims.unsettle(owner, ref)  # a field that was left out is to be sent
    judged = {*desired.contents, *checked(ks)}
    is_judged_anew = live.judges.set(owner, health_expressions(ks) or None, judged)
    for ref in filter(is_judged_anew, desired.contents):
        live.doubt(ref)


def executor_of(ks: Kustomization, run: Run, desired: Desired) -> Executor:
    """What applies for this Kustomization, with all that it says of its objects.

    Raises ReconciliationFailed, InvalidCELExpression for what cannot be understood.
    """
    _tune_view(ks, run, desired)
    return remover_of(ks, run, desired)


def remover_of(ks: Kustomization, run: Run, desired: Desired) -> Executor:
    """The same, for who deletes only: rules of health and of ignored fields cannot stop that.

    Raises ReconciliationFailed for an identity that there cannot be: it would travel in a header.
    """
    claims, owner = run.cluster.claims, run.turn.key
    settings, client = run.engine.settings, run.reader
    account = ks.spec.service_account_name or settings.default_service_account
    if account:
        if not _ACCOUNT.fullmatch(account):
            raise ReconciliationFailed(
                f"{_named_by(ks)}: {account[:_SHOWN]!r} can be no name of a service "
                f"account: create one in '{ks.metadata.namespace}', and name it"
            )
        client = client.impersonating(f"system:serviceaccount:{ks.metadata.namespace}:{account}")
    return Executor(
        client=client,
        clock=run.engine.clock,
        manager=settings.field_manager,
        overridden=settings.override_manager,
        in_flight=settings.concurrent_ssa,
        group_timeout=settings.stage_timeout,
        origins=desired.origins,
        live=run.cluster.live,
        settle=lambda ref, signature: claims.settle(owner, ref, desired.contents[ref], signature),
        migrates=settings.migrate_api_version,
        places=partial(places_of_fields, run=run),
        told=teller(run),
    )


def _named_by(ks: Kustomization) -> str:
    """Where the account is named."""
    return (
        "spec.serviceAccountName" if ks.spec.service_account_name else "--default-service-account"
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
