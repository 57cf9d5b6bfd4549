"""Which keys users of a Secret need: for as long as they are there."""

from engine.objects.ref import Ref
from engine.reconcile.key_needs import KeyNeeds

SECRET, OTHER = ("flux", "keys"), ("flux", "other")
WEB, APP = (Ref("kustomize.toolkit.fluxcd.io", "Kustomization", "flux", n) for n in ("web", "app"))
A, B = frozenset({"a"}), frozenset({"b"})


def unused(
    needs: KeyNeeds,
    user: Ref,
    needed: frozenset[str],
    *users: Ref,
    secret: tuple[str, str] = SECRET,
) -> frozenset[str]:
    return needs.unused(secret, user, needed, A | B, lambda: users)


def test_what_a_user_needs_that_is_gone_or_has_another_secret_counts_no_more() -> None:
    needs = KeyNeeds()
    unused(needs, WEB, A, WEB, APP)
    assert unused(needs, APP, B, WEB, APP) == frozenset()

    unused(needs, WEB, A, WEB, secret=OTHER)
    assert unused(needs, APP, B, APP) == A
    needs.forget(APP)
    needs.forget(WEB)

    assert needs == KeyNeeds()


def test_what_was_told_is_remembered_within_bounds() -> None:
    needs = KeyNeeds()

    assert [needs.is_news("ends", "key", "Secret"), needs.is_news("ends", "key", "Secret")] == [
        True,
        False,
    ]
    assert all(needs.is_news("ends", f"key-{n}", "Secret") for n in range(20_000))
    assert len(needs._told) == 10_000
