from dataclasses import replace

from engine.objects.kstatus import Health, Status
from engine.objects.ref import Ref
from engine.plan.claims import Claims
from engine.plan.observation import Observation

APP, OTHER = (Ref("k", "Kustomization", "flux", name) for name in ("app", "other"))
WEB = Ref("", "ConfigMap", "ns", "web")


def live(signature: bytes, content: bytes = b"?", owner: Ref = APP) -> Observation:
    labels = {
        "kustomize.toolkit.fluxcd.io/name": owner.name,
        "kustomize.toolkit.fluxcd.io/namespace": owner.namespace,
    }
    marks = {"labels": labels, "annotations": {}}
    return Observation("uid", 1, signature, content, marks, Health(Status.CURRENT, ""))


def settled() -> Claims:
    claims = Claims()
    claims.claim(APP, [WEB])
    claims.settle(APP, WEB, b"v1", b"sign")
    return claims


def test_what_is_as_we_left_it_needs_nothing_though_admission_altered_it() -> None:
    assert settled().is_settled(APP, WEB, b"v1", live(b"sign", content=b"altered"))


def test_a_new_content_is_to_be_applied() -> None:
    assert not settled().is_settled(APP, WEB, b"v2", live(b"sign"))


def test_what_other_rules_have_left_is_compared_by_values() -> None:
    claims = settled()
    claims.unsettle(APP, WEB)

    assert not claims.is_settled(APP, WEB, b"v1", live(b"sign"))
    assert claims.is_settled(APP, WEB, b"v1", live(b"sign", content=b"v1"))
    assert claims.wanted(APP) == {WEB}


def test_without_a_baseline_only_the_very_values_count() -> None:
    claims = Claims()
    claims.claim(APP, [WEB])

    assert claims.is_settled(APP, WEB, b"v1", live(b"sign", content=b"v1"))
    assert not claims.is_settled(APP, WEB, b"v1", live(b"sign", content=b"other"))
    assert not claims.is_settled(APP, WEB, b"", live(b"", content=b""))  # we own nothing of it


def test_another_signature_is_drift_and_so_is_an_object_that_is_gone() -> None:
    claims = settled()

    assert claims.drifted(WEB, live(b"sign")) is None
    assert claims.drifted(WEB, live(b"changed")) == APP
    assert claims.drifted(WEB, None) == APP


def test_an_object_that_another_engine_labelled_is_left_to_the_interval() -> None:
    assert settled().drifted(WEB, live(b"changed", owner=OTHER)) is None


def test_nobody_corrects_what_two_want_but_each_applies_what_is_new() -> None:
    claims = settled()
    claims.claim(OTHER, [WEB])

    assert claims.rivals(APP, WEB) == {OTHER}
    assert claims.drifted(WEB, live(b"changed")) is None
    assert claims.is_settled(APP, WEB, b"v1", live(b"changed"))
    assert not claims.is_settled(APP, WEB, b"v2", live(b"changed"))
    assert not claims.is_settled(OTHER, WEB, b"w1", live(b"changed"))


def test_who_wants_an_object_no_more_has_no_say_in_it() -> None:
    claims = settled()
    claims.claim(OTHER, [WEB])
    claims.claim(OTHER, [])
    claims.settle(OTHER, WEB, b"w1", b"late")

    assert claims.drifted(WEB, live(b"changed")) == APP
    claims.release(APP)
    assert claims.drifted(WEB, live(b"changed")) is None
    assert replace(claims.statistics(), owners=0).objects == 0


def test_an_object_whose_other_owner_is_gone_is_taken_over_though_its_values_are_known() -> None:
    claims = settled()
    claims.claim(OTHER, [WEB])
    taken = live(b"theirs", owner=OTHER)
    claims.settle(APP, WEB, b"v1", taken.signature)  # nothing to do, while two want it

    assert claims.is_settled(APP, WEB, b"v1", taken)
    claims.release(OTHER)
    assert not claims.is_settled(APP, WEB, b"v1", taken)
