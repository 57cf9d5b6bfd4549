import pytest

from engine.errors import BuildFailed
from engine.objects.ref import Object, Ref
from engine.plan import View, make_plan
from engine.plan.inventory import Inventory
from engine.plan.policy import Policy
from engine.plan.reservation import Reservation, Reserve
from tests.support.build import OWNER, by_ref, config, definition, made, marked, owned

POLICY = Policy(OWNER)


def inventory(*objects: Object) -> Inventory:
    return {Ref.of(obj): "v1" for obj in objects}


def planned(desired: list[Object], live: list[Object], owns: list[Object]) -> str:
    return str(make_plan(desired, View(by_ref(*live)), inventory(*owns), POLICY))


def test_what_is_absent_is_created_and_what_exists_is_configured() -> None:
    new, old = config("new"), config("old")

    assert planned([old, new], [old], [old]) == (
        "ConfigMap/ns/new create\nConfigMap/ns/old configure"
    )


def test_what_left_git_is_deleted_after_everything_else() -> None:
    gone = owned(config("gone"))

    assert (
        planned([config("a")], [gone], [gone]) == "ConfigMap/ns/a create\nConfigMap/ns/gone delete"
    )


@pytest.mark.parametrize(
    ("live", "why"),
    [
        ([], "keep (it is gone)"),
        ([config("a")], "keep (it belongs to another owner)"),
        ([marked(owned(config("a")), prune="Disabled")], "keep (it is protected)"),
        ([marked(owned(config("a")), reconcile="disabled")], "keep (it is protected)"),
        ([marked(owned(config("a")), ssa="ignore")], "keep (it is protected)"),
    ],
)
def test_only_what_is_ours_and_unprotected_is_deleted(live: list[Object], why: str) -> None:
    assert planned([], live, [config("a")]) == f"ConfigMap/ns/a {why}"


def test_without_prune_what_left_git_is_left_alone() -> None:
    gone = owned(config("gone"))
    plan = make_plan([], View(by_ref(gone)), inventory(gone), Policy(OWNER, prune=False))

    assert str(plan) == "ConfigMap/ns/gone orphan (prune is off)"


def test_what_could_not_be_read_is_judged_when_it_is_deleted() -> None:
    gone = config("gone")
    plan = make_plan([], View(unread=frozenset([Ref.of(gone)])), inventory(gone), POLICY)

    assert str(plan) == "ConfigMap/ns/gone delete (it could not be read)"


def test_an_object_known_by_two_names_is_not_deleted_by_the_old_one() -> None:
    new = made("Ingress", "web", api_version="networking.k8s.io/v1", uid="1")
    old = owned(made("Ingress", "web", api_version="extensions/v1beta1", uid="1"))

    assert planned([new], [new, old], [old]) == (
        "Ingress/ns/web configure\nIngress/ns/web keep (it is desired by another name)"
    )


@pytest.mark.parametrize(
    ("desired", "live", "wanted"),
    [
        (marked(config("a"), reconcile="disabled"), [], "skip (reconcile is disabled)"),
        (marked(config("a"), ssa="Ignore"), [config("a")], "skip (reconcile is disabled)"),
        (config("a"), [marked(config("a"), ssa="ignore")], "skip (reconcile is disabled)"),
        (marked(config("a"), ssa="IfNotPresent"), [], "create"),
        (marked(config("a"), ssa="IfNotPresent"), [config("a")], "skip (it exists)"),
        (config("a"), [marked(config("a"), ssa="IfNotPresent")], "configure"),
        (marked(config("a"), ssa="Merge"), [config("a")], "configure"),
    ],
)
def test_annotations_decide_about_single_objects(
    desired: Object, live: list[Object], wanted: str
) -> None:
    assert planned([desired], live, []) == f"ConfigMap/ns/a {wanted}"


def test_a_label_counts_as_an_annotation_does() -> None:
    desired = config("a", labels={"kustomize.toolkit.fluxcd.io/reconcile": "disabled"})

    assert planned([desired], [], []) == "ConfigMap/ns/a skip (reconcile is disabled)"


def test_an_object_defined_twice_fails_the_build() -> None:
    with pytest.raises(BuildFailed, match="ConfigMap/ns/a is defined twice"):
        planned([config("a"), config("a")], [], [])


def test_the_new_inventory_holds_skipped_objects_too_in_the_order_of_applying() -> None:
    skipped = marked(made("Namespace", "z", ""), reconcile="disabled")
    plan = make_plan([config("a"), skipped], View(), {}, POLICY)

    assert [ref.id for ref in plan.inventory()] == ["_z__Namespace", "ns_a__ConfigMap"]


def reserved(*names: str, is_final: bool = False) -> Reserve:
    """Somebody wants the objects of these names."""

    def reserve(ref: Ref) -> Reservation | None:
        return Reservation("wanted", is_final=is_final) if ref.name in names else None

    return reserve


@pytest.mark.parametrize(("is_final", "action"), [(False, "defer"), (True, "keep")])
def test_what_somebody_wants_is_not_deleted_nor_what_holds_it(is_final: bool, action: str) -> None:
    objects = [owned(made("Namespace", "ns", "")), owned(config("a")), owned(config("b"))]
    reserve = reserved("a", is_final=is_final)

    plan = make_plan([], View(by_ref(*objects)), inventory(*objects), POLICY, reserve)

    assert str(plan) == (
        "ConfigMap/ns/b delete\n"
        f"ConfigMap/ns/a {action} (wanted)\n"
        f"Namespace/ns {action} (it holds ConfigMap/ns/a, wanted)"
    )


def test_a_definition_whose_objects_are_wanted_stays() -> None:
    objects = [
        owned(made("Widget", "w", api_version="example.com/v1")),
        owned(definition("example.com")),
        owned(definition("example.org")),
    ]

    plan = make_plan([], View(by_ref(*objects)), inventory(*objects), POLICY, reserved("w"))

    assert [str(change.action) for change in plan.prunes] == ["defer", "delete", "defer"]


def test_nobody_is_asked_about_what_is_not_deleted_anyway() -> None:
    asked: list[Ref] = []
    objects = [config("foreign"), marked(owned(config("kept")), prune="disabled")]

    make_plan([], View(by_ref(*objects)), inventory(*objects), POLICY, asked.append)

    assert asked == []


def test_what_could_not_be_read_may_be_wanted_too() -> None:
    gone = config("gone")
    view = View(unread=frozenset([Ref.of(gone)]))

    assert str(make_plan([], view, inventory(gone), POLICY, reserved("gone"))) == (
        "ConfigMap/ns/gone defer (wanted)"
    )
