import pytest

from engine.apply.failures import is_immutable, no_namespace, refused
from engine.cluster import ApiError, Conflict, Forbidden, Invalid, NotFound, UnknownKind
from engine.cluster.errors import Cause
from engine.errors import ReconciliationFailed
from engine.objects.ref import Ref
from tests.support.build import made

WEB = Ref("apps", "Deployment", "ns", "web")


def test_a_refusal_says_what_why_and_where() -> None:
    error = Invalid(422, "Invalid", "spec.replicas: Invalid value")

    assert refused(WEB, error, "dry-run", "app/web.yaml:3") == (
        "Deployment/ns/web dry-run failed (Invalid): spec.replicas: Invalid value (app/web.yaml:3)"
    )


@pytest.mark.parametrize(
    ("error", "end"),
    [
        (NotFound(404, "NotFound", 'namespaces "ns" not found'), "create the Namespace 'ns' or"),
        (Forbidden(403, "Forbidden", "no"), "grant the missing rule to the service account"),
        (UnknownKind("no kind 'Widget' in example.com"), "failed: no kind 'Widget' in example.com"),
        (ApiError(500, "", "broken"), "Deployment/ns/web apply failed: broken"),
        (ReconciliationFailed("said already"), "said already"),
    ],
)
def test_the_message_says_what_to_do(error: Exception, end: str) -> None:
    assert end in refused(WEB, error, "apply")


@pytest.mark.parametrize(
    ("kind", "forced", "is_told"),
    [
        ("Deployment", False, True),
        ("Deployment", True, False),
        ("PersistentVolumeClaim", False, False),
        ("PersistentVolume", False, False),
        ("Namespace", False, False),
        ("CustomResourceDefinition", False, False),
    ],
)
def test_nobody_is_told_to_delete_what_holds_data(kind: str, forced: bool, is_told: bool) -> None:
    error = Invalid(422, "Invalid", "spec.x: field is immutable")
    text = refused(Ref("", kind, "ns", "a"), error, "apply", forced=forced)

    assert ("force: enabled" in text) is is_told


def test_what_a_secret_holds_does_not_show() -> None:
    secret = made("Secret", "a", stringData={"p": 12345}, data={"q": "aHVudGVyMg=="})
    text = "expected string, got Value:12345; decoded hunter2; encoded aHVudGVyMg=="

    message = refused(Ref.of(secret), ApiError(500, "", text), "dry-run", "", secret)

    assert message == (
        "Secret/ns/a dry-run failed: expected string, got Value:***; decoded ***; encoded ***"
    )


@pytest.mark.parametrize(
    ("error", "is_so"),
    [
        (Invalid(422, "Invalid", "spec: Forbidden: updates to statefulset spec"), True),
        (ApiError(400, "BadRequest", "admission webhook denied: field is immutable"), True),
        (Invalid(422, "Invalid", "is immutable", (Cause("metadata.uid", "", ""),)), False),
        (Conflict(409, "Conflict", "the object has been modified"), False),
        (Forbidden(403, "Forbidden", "no"), False),
        (UnknownKind("field is immutable"), False),
    ],
)
def test_only_what_deleting_could_cure_counts_as_immutable(error: Exception, is_so: bool) -> None:
    assert is_immutable(error) is is_so


def test_a_missing_namespace_names_both_places_to_set_it() -> None:
    text = no_namespace(Ref("", "ConfigMap", "", "a"), "a.yaml:1")

    assert text.startswith("ConfigMap/a namespace not specified (a.yaml:1): set metadata.namespace")
    assert "spec.targetNamespace" in text
