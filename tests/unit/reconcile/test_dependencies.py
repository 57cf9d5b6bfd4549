from typing import Any

import pytest

from engine.api.meta import KUSTOMIZE_GROUP
from engine.objects.ref import Ref
from engine.settings import Settings
from tests.support.build import config
from tests.support.reconciling import APP, Workshop

BASE = Ref(KUSTOMIZE_GROUP, "Kustomization", "flux", "base")


def shop_with(**base: Any) -> Workshop:
    """A Kustomization `app` that depends on `base`, which has this status."""
    shop = Workshop()
    shop.source("main@sha1:2", a=config("a"))
    shop.kustomization(APP, dependsOn=[{"name": "base"}])
    if base:
        shop.tell({**shop.kustomization(BASE), "status": status(**base)})
    shop.pushed.clear()
    return shop


def status(ready: str = "True", generation: int = 1, applied: str = "main@sha1:2") -> Any:
    return {
        "observedGeneration": generation,
        "lastAppliedRevision": applied,
        "conditions": [{"type": "Ready", "status": ready}],
    }


async def failure(shop: Workshop) -> str:
    await shop.run()
    return shop.said()


async def test_a_dependency_that_is_ready_at_the_revision_lets_it_go_on() -> None:
    shop = shop_with(ready="True")

    await shop.run()

    assert shop.said().startswith("True ")


async def test_the_condition_says_which_dependency_lacks_what() -> None:
    prefix = "False DependencyNotReady: dependency 'flux/base'"

    assert await failure(shop_with()) == (
        f'{prefix} not found: kustomizations.kustomize.toolkit.fluxcd.io "base" not found'
    )
    assert await failure(shop_with(ready="False")) == f"{prefix} is not ready"
    assert await failure(shop_with(generation=0)) == f"{prefix} is not ready"
    assert await failure(shop_with(applied="x@1")) == f"{prefix} revision is not up to date"


async def test_a_wait_is_told_as_flux_tells_it_and_retried() -> None:
    shop = shop_with(ready="False")

    requeue = await shop.run()

    assert requeue.after == 30
    assert shop.told() == [
        "Normal DependencyNotReady: Dependencies do not meet ready condition, retrying in 30s"
    ]


async def test_a_dependency_of_another_source_needs_only_be_ready() -> None:
    shop = shop_with(applied="x@1")
    shop.kustomization(BASE, sourceRef={"kind": "GitRepository", "name": "other"})
    shop.tell({**shop.client.objects[BASE], "status": status(generation=2, applied="x@1")})

    await shop.run()

    assert shop.said().startswith("True ")


async def test_a_dependency_that_becomes_ready_wakes_who_waits_for_it() -> None:
    shop = shop_with(ready="False")
    await shop.run()
    shop.pushed.clear()

    shop.tell({**shop.client.objects[BASE], "status": status()})

    assert shop.pushed == [APP]


async def test_one_that_becomes_ready_while_the_other_runs_wakes_it_too() -> None:
    shop = shop_with(ready="True")
    await shop.run()
    assert shop.said().startswith("True ")
    shop.tell({**shop.client.objects[BASE], "status": status(ready="False")})
    shop.pushed.clear()
    ready = {**shop.client.objects[BASE], "status": status()}
    shop.client.before("patch Kustomization/flux/app", lambda: shop.tell(ready))

    await shop.run()

    assert shop.said().startswith("False DependencyNotReady")
    assert APP in shop.pushed


def three_in_a_circle() -> Workshop:
    """`app` waits for `base`, `base` for `core`, and `core` for `app`."""
    shop = shop_with(ready="False")
    core = Ref(KUSTOMIZE_GROUP, "Kustomization", "other", "core")
    shop.kustomization(BASE, dependsOn=[{"name": "core", "namespace": "other"}])
    shop.kustomization(core, dependsOn=[{"name": "app", "namespace": "flux"}])
    return shop


async def test_a_cycle_of_dependencies_is_named_once_and_whole() -> None:
    shop = three_in_a_circle()

    assert await failure(shop) == (
        "False DependencyNotReady: dependency 'flux/base' is not ready: "
        "dependency cycle flux/app -> flux/base -> other/core -> flux/app: none of them can "
        "become ready before the others; take one of these dependencies out of spec.dependsOn"
    )


async def test_who_waits_for_itself_is_told_so() -> None:
    shop = shop_with()
    shop.kustomization(APP, dependsOn=[{"name": "app"}])

    assert "dependency cycle flux/app -> flux/app: none" in await failure(shop)


async def test_who_waits_for_a_cycle_without_being_in_it_is_no_part_of_its_name() -> None:
    shop = shop_with(ready="False")
    shop.kustomization(BASE, dependsOn=[{"name": "base"}])

    assert await failure(shop) == "False DependencyNotReady: dependency 'flux/base' is not ready"


async def test_all_that_are_in_a_cycle_run_when_it_is_closed() -> None:
    shop = three_in_a_circle()

    assert set(shop.pushed) >= {APP, BASE}


async def test_a_cycle_that_an_expression_may_open_is_none() -> None:
    shop = three_in_a_circle()
    shop.kustomization(
        BASE, dependsOn=[{"name": "core", "namespace": "other", "readyExpr": "true"}]
    )

    assert "cycle" not in await failure(shop)


async def test_a_cycle_whose_members_are_all_ready_stops_nobody() -> None:
    shop = shop_with(ready="True")
    shop.kustomization(BASE, dependsOn=[{"name": "app"}])
    shop.tell({**shop.client.objects[BASE], "status": status(generation=2)})

    await shop.run()

    assert shop.said().startswith("True ")


def shop_judging(expression: str, settings: Settings | None = None, **base: Any) -> Workshop:
    """`app` depends on `base` by that expression."""
    shop = Workshop(settings=settings or Settings())
    shop.source("main@sha1:2", a=config("a"))
    shop.kustomization(APP, dependsOn=[{"name": "base", "readyExpr": expression}])
    shop.tell({**shop.kustomization(BASE), "status": status(**base)})
    return shop


async def test_an_expression_takes_the_place_of_the_own_check() -> None:
    holds = "dep.status.conditions.exists(c, c.type == 'Ready' && c.status == 'False')"
    shop = shop_judging(f"{holds} && self.metadata.name == 'app'", ready="False", applied="x@1")

    await shop.run()

    assert shop.said().startswith("True ")


async def test_an_expression_that_does_not_hold_is_waited_for() -> None:
    shop = shop_judging("dep.status.observedGeneration == 7")

    assert await failure(shop) == (
        "False DependencyNotReady: dependency 'flux/base' is not ready according to readyExpr eval"
    )


async def test_one_that_has_no_value_yet_is_waited_for_too() -> None:
    shop = shop_judging("dep.status.history.size() > 0")

    requeue = await shop.run()

    assert requeue.after == 30
    assert shop.said() == (
        "False DependencyNotReady: dependency 'flux/base': failed to evaluate the CEL expression "
        "'dep.status.history.size() > 0': no such key: history at 1:12"
        "\n | dep.status.history.size() > 0\n | ...........^"
    )


async def test_an_expression_that_is_none_stalls_and_is_pointed_into() -> None:
    shop = shop_judging("dep.status == ")

    requeue = await shop.run()

    text = (
        "Reconciliation failed terminally due to configuration error: failed to evaluate "
        "dependency base: failed to parse the CEL expression 'dep.status == ': "
        "ERROR: <input>:1:15: Syntax error: unexpected '<EOF>'"
        "\n | dep.status == \n | ..............^"
    )
    assert requeue.after is None
    assert shop.said() == f"False InvalidCELExpression: {text}"
    assert shop.said("Stalled") == f"True InvalidCELExpression: {text}"
    assert shop.told() == [f"Warning InvalidCELExpression: {text}"]


async def test_both_are_asked_where_that_is_wanted() -> None:
    settings = Settings(additive_cel_dependency_check=True)
    shop = shop_judging("true", settings, ready="False")

    assert await failure(shop) == "False DependencyNotReady: dependency 'flux/base' is not ready"


async def test_any_change_that_an_expression_may_ask_for_wakes_who_waits() -> None:
    shop = shop_judging("has(dep.metadata.labels)", ready="False")
    await shop.run()
    shop.pushed.clear()
    base = shop.client.objects[BASE]

    shop.tell({**base, "metadata": {**base["metadata"], "labels": {"a": "b"}}})
    assert shop.pushed == [APP]

    await shop.run()
    assert shop.said().startswith("True ")
    shop.pushed.clear()
    shop.tell({**base, "metadata": {**base["metadata"], "labels": {"a": "c"}}})

    assert shop.pushed == []


async def test_a_change_of_the_own_labels_wakes_it_as_well() -> None:
    shop = shop_judging("has(self.metadata.labels)")
    await shop.run()
    shop.pushed.clear()
    app = shop.client.objects[APP]

    shop.tell({**app, "metadata": {**app["metadata"], "labels": {"a": "b"}}})

    assert shop.pushed == [APP]


FAR = Ref(KUSTOMIZE_GROUP, "Kustomization", "elsewhere", "base")


@pytest.mark.parametrize("exists", [True, False])
async def test_a_tenant_is_not_told_whether_a_dependency_of_another_namespace_exists(
    exists: bool,
) -> None:
    shop = shop_with()
    shop.kustomization(
        APP, serviceAccountName="tenant", dependsOn=[{"name": "base", "namespace": "elsewhere"}]
    )
    if exists:
        shop.kustomization(FAR)

    await shop.run()

    assert shop.said() == "False DependencyNotReady: dependency 'elsewhere/base' is not ready"


async def test_an_expression_about_another_namespace_is_refused_where_references_are() -> None:
    shop = Workshop(settings=Settings(no_cross_namespace_refs=True))
    shop.source("main@sha1:2", a=config("a"))
    far = {"name": "base", "namespace": "elsewhere", "readyExpr": "dep.spec.path == 'secret'"}
    shop.kustomization(APP, dependsOn=[far])

    await shop.run()

    assert shop.said("Stalled").startswith(
        "True AccessDenied: can't access 'Kustomization/elsewhere/base' by the readyExpr of a "
    )


async def test_a_tenant_is_not_shown_a_cycle_through_other_namespaces() -> None:
    shop = shop_with()
    shop.kustomization(FAR, dependsOn=[{"name": "app", "namespace": "flux"}])
    far = {"name": "base", "namespace": "elsewhere"}
    shop.kustomization(APP, serviceAccountName="tenant", dependsOn=[far])

    await shop.run()

    assert "dependency cycle through other namespaces: none of them" in shop.said()


async def test_a_malformed_dependency_of_somebody_else_is_only_not_ready() -> None:
    shop = shop_with(ready="True")
    base = shop.client.objects[BASE]
    shop.tell({**base, "spec": {}, "status": status()})

    await shop.run()

    assert shop.said().startswith("True ")
