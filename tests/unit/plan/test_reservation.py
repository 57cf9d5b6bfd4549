import pytest

from engine.api.meta import KUSTOMIZE_GROUP
from engine.objects.ref import Ref
from engine.plan.reservation import Neighbour, listed, reservation

B, C = (Ref("k", "Kustomization", "flux", name) for name in "bc")


def judged(*neighbours: Neighbour, is_over: bool = False, is_last: bool = False) -> str:
    found = reservation(neighbours, is_over=is_over, is_last=is_last)
    if found is None:
        return "delete"
    return f"{'keep' if found.is_final else 'defer'}: {found.why}"


@pytest.mark.parametrize(
    "neighbour",
    [
        Neighbour(B),
        Neighbour(B, is_behind=True),  # of another source
        Neighbour(B, is_suspended=True),
        Neighbour(B, holds=True, is_related=True),  # it was built, and wants it no more
    ],
)
def test_what_concerns_nobody_is_deleted(neighbour: Neighbour) -> None:
    assert judged(neighbour) == "delete"


@pytest.mark.parametrize("is_over", [False, True])
def test_what_another_one_wants_is_never_deleted(is_over: bool) -> None:
    wanted = Neighbour(B, wants=True)

    assert judged(wanted, is_over=is_over) == "defer: wanted by Kustomization/flux/b"


def test_who_is_deleted_leaves_it_behind_when_nobody_took_it_in_time() -> None:
    wanted = Neighbour(B, wants=True)

    assert judged(wanted, is_last=True) == "defer: wanted by Kustomization/flux/b"
    assert judged(wanted, is_last=True, is_over=True) == "keep: wanted by Kustomization/flux/b"


def test_a_suspended_one_wants_what_it_holds_and_takes_nothing() -> None:
    suspended = Neighbour(B, holds=True, is_suspended=True)

    assert judged(suspended, is_over=True) == "defer: wanted by Kustomization/flux/b"
    assert judged(suspended, is_last=True) == "keep: wanted by Kustomization/flux/b"


@pytest.mark.parametrize(
    "neighbour",
    [Neighbour(B, is_behind=True, holds=True), Neighbour(B, is_behind=True, is_related=True)],
)
def test_who_may_want_it_is_waited_for_but_not_for_ever(neighbour: Neighbour) -> None:
    assert judged(neighbour) == (
        "defer: it may be wanted by Kustomization/flux/b: not built or applied as of now"
    )
    assert judged(neighbour, is_over=True) == "delete"


@pytest.mark.parametrize("is_last", [False, True])
def test_who_takes_the_owners_place_is_waited_for_without_end(is_last: bool) -> None:
    heir = Neighbour(B, is_heir=True, is_behind=True)

    assert judged(heir, is_over=True, is_last=is_last) == (
        "defer: Kustomization/flux/b, not built yet, is to take its owner's place"
    )


def test_what_was_wanted_in_the_last_build_that_succeeded_is_still_wanted() -> None:
    broken = Neighbour(B, wants=True, is_behind=True, is_related=True)

    assert judged(broken, is_over=True).startswith("defer: wanted by")


def test_all_who_are_waited_for_are_known_and_some_are_named() -> None:
    many = [
        Neighbour(Ref("k", "Kustomization", "flux", name), is_behind=True, is_related=True)
        for name in "abcde"
    ]

    found = reservation(many, is_over=False, is_last=False)

    assert found is not None
    assert len(found.waits_for) == 5
    assert "Kustomization/flux/c and 2 more: " in found.why


def test_a_tenant_is_told_that_there_are_others_and_not_who_they_are() -> None:
    own, far = (Ref(KUSTOMIZE_GROUP, "Kustomization", name, "web") for name in ("a", "b"))
    more = [Ref(KUSTOMIZE_GROUP, "Kustomization", "a", f"x{number}") for number in range(4)]

    assert listed([own, far]) == "Kustomization/a/web, Kustomization/b/web"
    assert listed([own, far], "a") == "Kustomization/a/web, a Kustomization of another namespace"
    assert listed([far], "c") == "a Kustomization of another namespace"
    assert listed([own, far], "c") == "2 Kustomizations of other namespaces"
    assert listed(more, "a").endswith("Kustomization/a/x2 and 1 more")
