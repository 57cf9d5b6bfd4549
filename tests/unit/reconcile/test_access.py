import pytest

from engine.api.meta import KUSTOMIZE_GROUP
from engine.cluster import ApiError, Client
from engine.objects.ref import Ref
from engine.plan.claims import Basis
from engine.reconcile import access as module
from engine.reconcile.access import LIFE, Access, Question, Rights, horizon_of, user_of
from engine.settings import Settings
from tests.support.clock import ManualClock
from tests.support.fleet import config_map as config
from tests.support.memory_client import KINDS, MemoryClient
from tests.support.reconciling import APP, Workshop

TENANT = "system:serviceaccount:flux:tenant"
OTHER = "system:serviceaccount:elsewhere:other"
RIVAL = Ref(KUSTOMIZE_GROUP, "Kustomization", "elsewhere", "rival")
A = Ref("", "ConfigMap", "flux", "a")
MAPS = KINDS[0]
PATCH = Question("patch", "", "ConfigMap", "flux")


def as_tenant(client: MemoryClient) -> Client:
    return client.impersonating(TENANT).as_client()


def reviews(client: MemoryClient) -> list[str]:
    return [call for call in client.calls if call.startswith("may ")]


@pytest.mark.parametrize(
    ("spec", "default", "user"),
    [
        ({}, "", ""),
        ({}, "default", "system:serviceaccount:apps:default"),
        ({"serviceAccountName": "x"}, "default", "system:serviceaccount:apps:x"),
        ({"serviceAccountName": ""}, "", ""),
    ],
)
def test_a_kustomization_acts_as_a_service_account_of_its_own_namespace(
    spec: dict[str, str], default: str, user: str
) -> None:
    ks = {"metadata": {"name": "a", "namespace": "apps"}, "spec": spec}

    assert user_of(ks, default) == user
    assert horizon_of(ks, default) == ("apps" if user else "")


async def test_one_question_is_asked_for_a_kind_and_namespace_in_a_while() -> None:
    client, clock = MemoryClient(), ManualClock()
    access = Access(clock)
    for _ in range(3):
        assert await access.may(as_tenant(client), PATCH, MAPS)
    assert reviews(client) == ["may patch configmaps flux"]
    await clock.advance(LIFE + 1)
    client.forbid(TENANT, "ConfigMap", "flux")

    assert not await access.may(as_tenant(client), PATCH, MAPS)
    assert len(reviews(client)) == 2


async def test_who_is_asked_for_by_a_person_is_asked_about_anew() -> None:
    client, clock = MemoryClient(), ManualClock()
    access = Access(clock)
    await access.may(as_tenant(client), PATCH, MAPS)
    client.forbid(TENANT, "ConfigMap", "flux")
    await clock.advance(1)

    assert await access.may(as_tenant(client), PATCH, MAPS)
    assert not await access.may(as_tenant(client), PATCH, MAPS, since=clock.monotonic())


async def test_the_engine_itself_is_not_asked_about() -> None:
    client = MemoryClient()

    assert await Access(ManualClock()).may(client.as_client(), PATCH, MAPS)
    assert client.calls == []


async def test_rights_that_cannot_be_asked_for_are_none() -> None:
    client = MemoryClient()
    client.refuse("may patch configmaps flux", ApiError(500, "InternalError", "down"))

    assert not await Access(ManualClock()).may(as_tenant(client), PATCH, MAPS)


async def test_answers_are_bounded_and_the_longest_unused_goes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    client, access = MemoryClient(), Access(ManualClock())
    for namespace in ("a", "b", "a", "c", "a"):
        await access.may(as_tenant(client), Question("patch", "", "ConfigMap", namespace), MAPS)

    assert repr(access) == "<Access 2 answers>"
    assert reviews(client) == [f"may patch configmaps {name}" for name in "abc"]


async def test_what_may_not_be_changed_by_kind_is_asked_for_by_name() -> None:
    client, access = MemoryClient(), Access(ManualClock())
    client.forbid(TENANT, "ConfigMap", "flux")
    kinds = {("", "ConfigMap"): MAPS}

    assert await access.denied(as_tenant(client), [A], kinds) == {A}
    assert reviews(client) == ["may patch configmaps flux", "may patch configmaps flux/a"]
    assert access.is_denied("memory", TENANT, A)
    assert not access.is_denied("elsewhere", TENANT, A)
    assert not access.is_denied("memory", OTHER, A)


async def test_a_claim_counts_until_it_is_known_that_its_maker_may_not_change_the_object() -> None:
    client, access = MemoryClient(), Access(ManualClock())
    rights = Rights(access, "memory", "")
    own = {"metadata": {"name": "app", "namespace": "flux"}, "spec": {}}
    other = {
        "metadata": {"name": "rival", "namespace": "elsewhere"},
        "spec": {"serviceAccountName": "other"},
    }
    client.forbid(OTHER, "ConfigMap", "flux")
    assert rights.may_take(A, other, own)

    await access.may_change(client.impersonating(OTHER).as_client(), A, MAPS)

    assert not rights.may_take(A, other, own)
    assert rights.may_take(A, {**other, "spec": {}}, own)
    assert rights.may_take(A, {**other, "spec": {**other["spec"], "kubeConfig": {"x": 1}}}, own)


@pytest.mark.parametrize("exists", [True, False])
async def test_a_refusal_does_not_tell_whether_somebody_elses_object_exists(exists: bool) -> None:
    shop = Workshop()
    if exists:
        disabled = {"kustomize.toolkit.fluxcd.io/reconcile": "disabled"}
        foreign = config("a", "elsewhere")
        foreign["metadata"]["annotations"] = disabled
        shop.client.put(foreign)
    shop.client.forbid(TENANT, "ConfigMap", "elsewhere")
    shop.source("main@sha1:1", a=config("a", "elsewhere"))
    shop.kustomization(serviceAccountName="tenant")

    await shop.run()

    assert shop.said() == (
        "False ReconciliationFailed: ConfigMap/elsewhere/a dry-run failed (Forbidden): ConfigMap "
        f"is forbidden: User {TENANT!r} cannot do that (app/a.yaml:1); grant the missing rule to "
        "the service account that applies"
    )


async def test_what_may_not_be_changed_is_not_claimed() -> None:
    shop = Workshop()
    shop.client.forbid(TENANT, "ConfigMap", "elsewhere")
    shop.source("main@sha1:1", a=config("a", "elsewhere"), b=config("b", "flux"))
    shop.kustomization(serviceAccountName="tenant")

    await shop.run()

    assert shop.engine.clusters.own.claims.wanted(APP) == {Ref("", "ConfigMap", "flux", "b")}


@pytest.mark.parametrize("may_change", [True, False])
async def test_only_who_may_change_an_object_keeps_it_from_being_deleted(may_change: bool) -> None:
    shop = Workshop(settings=Settings(default_service_account="tenant"))
    shop.source("main@sha1:1", a=config("a", "flux"), b=config("b", "flux"))
    shop.kustomization()
    await shop.run()
    shop.kustomization(RIVAL, serviceAccountName="other")
    shop.engine.clusters.own.claims.claim(RIVAL, [A], Basis(1, "main@sha1:1"))
    if not may_change:
        shop.client.forbid(OTHER, "ConfigMap", "flux")
    shop.source("main@sha1:2", b=config("b", "flux"))

    await shop.run()

    assert (A in shop.client.objects) is may_change
    told = "\n".join(shop.told())
    assert ("stays for now: wanted by a Kustomization of another namespace" in told) is may_change
    assert "rival" not in told


DOWN = ApiError(500, "InternalError", "down")


async def test_who_could_not_be_asked_for_keeps_what_it_wants() -> None:
    client, access = MemoryClient(), Access(ManualClock())
    client.refuse("may patch configmaps flux", DOWN)
    client.refuse("may patch configmaps flux/a", DOWN)

    assert await access.may_change(as_tenant(client), A, MAPS)
    assert not access.is_denied("memory", TENANT, A)
    assert await access.denied(as_tenant(client), [A], {("", "ConfigMap"): MAPS}) == frozenset()
    assert await access.barred(as_tenant(client), {A: "patch"}, {("", "ConfigMap"): MAPS}) == {A}


async def test_an_object_is_not_deleted_while_the_rights_of_who_wants_it_cannot_be_asked() -> None:
    shop = Workshop(settings=Settings(default_service_account="tenant"))
    shop.source("main@sha1:1", a=config("a", "flux"), b=config("b", "flux"))
    shop.kustomization()
    await shop.run()
    shop.kustomization(RIVAL, serviceAccountName="other")
    shop.engine.clusters.own.claims.claim(RIVAL, [A], Basis(1, "main@sha1:1"))
    shop.client.refuse("may patch configmaps flux", DOWN)
    shop.client.refuse("may patch configmaps flux/a", DOWN)
    shop.source("main@sha1:2", b=config("b", "flux"))

    await shop.run()

    assert A in shop.client.objects
