import random

import pytest

from engine.objects.ref import Ref
from engine.plan.order import Group, deletion_order, group_of, order_of


def ref(text: str) -> Ref:
    """A Ref of `group/Kind/namespace/name`."""
    return Ref(*text.split("/"))


ORDER = [
    "apiextensions.k8s.io/CustomResourceDefinition//x",
    "/Namespace//x",
    "rbac.authorization.k8s.io/ClusterRole//x",
    "scheduling.k8s.io/PriorityClass//x",
    "storage.k8s.io/StorageClass//x",
    "cert-manager.io/OtherClass//x",
    "rbac.authorization.k8s.io/ClusterRoleBinding//x",
    "/ServiceAccount/a/x",
    "/ConfigMap/a/x",
    "/ConfigMap/a/y",
    "/ConfigMap/b/a",
    "/Secret/a/x",
    "apps/Deployment/a/x",
    "policy/PodDisruptionBudget/a/x",
    "a.example/Widget/a/x",
    "batch/Job/a/x",
    "admissionregistration.k8s.io/MutatingWebhookConfiguration//x",
    "admissionregistration.k8s.io/ValidatingWebhookConfiguration//x",
]


def test_objects_are_applied_in_the_order_of_flux() -> None:
    refs = [ref(text) for text in ORDER]
    shuffled = random.Random(1).sample(refs, len(refs))

    assert sorted(shuffled, key=order_of) == refs
    assert deletion_order(shuffled) == refs[::-1]


@pytest.mark.parametrize(
    ("text", "group"),
    [
        ("/Namespace//x", Group.DEFINITIONS),
        ("example.com/Namespace//x", Group.REST),
        ("gateway.networking.k8s.io/GatewayClass//x", Group.CLASSES),
        ("example.com/Widget/a/x", Group.CUSTOM),
        ("example.org/Widget/a/x", Group.REST),
    ],
)
def test_groups_wait_for_each_other(text: str, group: Group) -> None:
    assert group_of(ref(text), frozenset({"example.com/Widget"})) is group
