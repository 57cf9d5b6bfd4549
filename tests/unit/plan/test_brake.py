import pytest

from engine.errors import PruneFailed
from engine.objects.ref import Object, Ref
from engine.plan import Plan, View, make_plan
from engine.plan.brake import Consequences, approval_of, check_brake
from engine.plan.policy import Policy
from tests.support.build import OWNER, by_ref, config, made, owned


def plan(desired: list[Object], live: list[Object], **policy: str | bool) -> Plan:
    inventory = {Ref.of(obj): "v1" for obj in live}
    return make_plan(desired, View(by_ref(*live)), inventory, Policy(OWNER, **policy))  # type: ignore[arg-type]


def configs(count: int) -> list[Object]:
    return [owned(config(f"c{number}")) for number in range(count)]


def test_twenty_deletions_need_no_approval() -> None:
    check_brake(plan([], configs(20)), Consequences(20), "r1")


def test_half_of_the_inventory_needs_none_either() -> None:
    live = configs(42)

    check_brake(plan(live[21:], live), Consequences(42), "r1")


def test_more_than_that_stops_the_prune_and_says_how_to_go_on() -> None:
    with pytest.raises(PruneFailed) as stopped:
        check_brake(plan([], configs(35)), Consequences(35), "r1")

    assert stopped.value.message.startswith(
        "prune stopped before deleting anything: 35 of 35 objects would be deleted: "
    )
    assert " and 5 more; " in stopped.value.message
    assert "gitops.lockstep/approve-prune=" in stopped.value.message


def test_an_approval_is_good_for_its_revision_and_its_list_only() -> None:
    live = configs(30)
    approved = approval_of([Ref.of(obj) for obj in live], "r1")

    check_brake(plan([], live, approved=approved), Consequences(30), "r1")
    for size, revision in ((30, "r2"), (29, "r1")):
        with pytest.raises(PruneFailed):
            check_brake(plan([], live[:size], approved=approved), Consequences(size), revision)


def test_the_setting_turns_it_off() -> None:
    check_brake(plan([], configs(35), brake=False), Consequences(35), "r1")


def test_a_namespace_is_not_deleted_under_objects_that_are_still_in_git() -> None:
    namespace = owned(made("Namespace", "ns", ""))

    with pytest.raises(PruneFailed, match="Namespace 'ns' would be deleted, but ConfigMap/ns/a"):
        check_brake(plan([config("a")], [namespace]), Consequences(2), "r1")


def test_a_definition_is_not_deleted_under_objects_of_its_kind() -> None:
    definition = owned(
        made(
            "CustomResourceDefinition",
            "widgets.example.com",
            "",
            api_version="apiextensions.k8s.io/v1",
            spec={"group": "example.com", "names": {"kind": "Widget"}},
        )
    )
    widget = made("Widget", "w", api_version="example.com/v1")

    with pytest.raises(PruneFailed, match=r"'widgets\.example\.com' would be deleted, but Widget"):
        check_brake(plan([widget], [definition]), Consequences(2), "r1")


NAMESPACE = owned(made("Namespace", "ns", ""))
HELD = Ref("", "ConfigMap", "ns", "of-somebody")


def test_what_a_pruned_kustomization_takes_along_counts() -> None:
    taken = frozenset(Ref("", "ConfigMap", "x", f"c{number}") for number in range(20))
    child = owned(made("Kustomization", "child", api_version="kustomize.toolkit.fluxcd.io/v1"))

    check_brake(plan([], [child]), Consequences(42, taken), "r1")
    with pytest.raises(PruneFailed, match="21 of 41 objects would be deleted"):
        check_brake(plan([], [child]), Consequences(41, taken), "r1")


def test_a_namespace_that_holds_what_nobody_deletes_stops_even_a_deletion_on_purpose() -> None:
    held = {Ref.of(NAMESPACE): [HELD]}
    stops = "Namespace 'ns' would be deleted, but it holds ConfigMap/ns/of-somebody"

    for is_asked_for in (False, True):
        with pytest.raises(PruneFailed, match=stops):
            check_brake(
                plan([], [NAMESPACE]),
                Consequences(1, held=held, is_asked_for=is_asked_for),
                "r1",
            )


def test_a_deletion_on_purpose_may_be_as_large_as_it_is() -> None:
    check_brake(plan([], configs(35)), Consequences(35, is_asked_for=True), "r1")


def test_an_approval_of_the_namespace_alone_does_not_cover_what_it_holds() -> None:
    consequences = Consequences(1, held={Ref.of(NAMESPACE): [HELD]})
    alone = approval_of([Ref.of(NAMESPACE)], "r1")
    both = approval_of([Ref.of(NAMESPACE), HELD], "r1")

    with pytest.raises(PruneFailed):
        check_brake(plan([], [NAMESPACE], approved=alone), consequences, "r1")
    check_brake(plan([], [NAMESPACE], approved=both), consequences, "r1")
