from engine.objects.ref import Ref
from engine.plan.inventory import format_inventory, parse_inventory, union

DEPLOYMENT = Ref("apps", "Deployment", "ns", "web")
NAMESPACE = Ref("", "Namespace", "", "ns")
ROLE = Ref("rbac.authorization.k8s.io", "Role", "ns", "system:x")


def test_it_is_written_as_flux_writes_it() -> None:
    status = {"inventory": format_inventory({NAMESPACE: "v1", DEPLOYMENT: "v1", ROLE: "v1beta1"})}

    assert status["inventory"] == {
        "entries": [
            {"id": "_ns__Namespace", "v": "v1"},
            {"id": "ns_web_apps_Deployment", "v": "v1"},
            {"id": "ns_system__x_rbac.authorization.k8s.io_Role", "v": "v1beta1"},
        ]
    }
    assert parse_inventory(status) == {NAMESPACE: "v1", DEPLOYMENT: "v1", ROLE: "v1beta1"}


def test_entries_that_name_no_object_are_left_out() -> None:
    entries = [
        {"id": "nonsense"},
        {"v": "v1"},
        None,
        {"id": 3},
        {"id": "_ns__Namespace", "v": "v1"},
    ]

    assert parse_inventory({"inventory": {"entries": entries}}) == {NAMESPACE: "v1"}


def test_a_status_without_inventory_owns_nothing() -> None:
    assert parse_inventory({}) == parse_inventory({"inventory": None}) == {}


def test_a_union_keeps_the_order_and_the_versions_of_the_new_one() -> None:
    both = union({DEPLOYMENT: "v1beta1", ROLE: "v1"}, {NAMESPACE: "v1", DEPLOYMENT: "v1"})

    assert list(both.items()) == [(NAMESPACE, "v1"), (DEPLOYMENT, "v1"), (ROLE, "v1")]
