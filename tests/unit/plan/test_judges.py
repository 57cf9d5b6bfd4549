"""Whose expressions say how an object is."""

from typing import Any

from engine.api.decode import decode
from engine.api.kustomize import Kustomization
from engine.objects.kstatus import Status
from engine.objects.ref import Ref
from engine.plan.judges import Judges
from engine.reconcile.expressions import health_expressions

OWNER = Ref("kustomize.toolkit.fluxcd.io", "Kustomization", "team", "app")
OWN = Ref("x.io", "Thing", "team", "own")


def thing(ref: Ref, **status: Any) -> dict[str, Any]:
    labels = {
        "kustomize.toolkit.fluxcd.io/name": OWNER.name,
        "kustomize.toolkit.fluxcd.io/namespace": OWNER.namespace,
    }
    metadata = {"name": ref.name, "namespace": ref.namespace, "labels": labels}
    return {"apiVersion": "x.io/v1", "kind": ref.kind, "metadata": metadata, "status": status}


def kustomization() -> Kustomization:
    check = {
        "apiVersion": "x.io/v1",
        "kind": "Thing",
        "current": "status.list.all(a, status.list.all(b, a == b))",
    }
    spec = {
        "interval": "1m",
        "prune": True,
        "sourceRef": {"kind": "GitRepository", "name": "x"},
        "healthCheckExprs": [check],
    }
    metadata = {"name": OWNER.name, "namespace": OWNER.namespace}
    kind = {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization"}
    return decode(Kustomization, {**kind, "metadata": metadata, "spec": spec})


def test_objects_of_others_that_carry_the_owners_labels_take_none_of_its_time() -> None:
    """Else a tenant could use up the tries of another one's expression, and fail its health."""
    judges = Judges()
    judges.set(OWNER, health_expressions(kustomization()), [OWN])

    for number in range(30):
        foreign = Ref("x.io", "Thing", "attacker", f"a{number}")
        assert judges.health(thing(foreign, list=[1] * 300)) is None
        assert not judges.is_judged(foreign, (OWNER.name, OWNER.namespace))

    found = judges.health(thing(OWN, list=[1]))
    assert found is not None
    assert found.status is Status.CURRENT


def test_what_is_judged_in_another_way_is_told() -> None:
    judges, other = Judges(), Ref("x.io", "Thing", "team", "other")
    judge = health_expressions(kustomization())

    assert judges.set(OWNER, judge, [OWN])(OWN)
    assert not judges.set(OWNER, judge, [OWN, other])(OWN)
    assert judges.set(OWNER, judge, [OWN])(other)
    assert judges.set(OWNER, judge, [OWN, other])(other)
    assert not judges.set(OWNER, judge, [OWN, other])(Ref("x.io", "Other", "team", "own"))
    assert judges.set(OWNER, None)(OWN)
    assert not judges.set(OWNER, None)(OWN)
