import pytest

from engine.objects.ref import Object
from engine.plan.drift import Difference, Writer, differences, is_owned_alike, writer_of
from engine.plan.policy import Owner, labelled
from tests.support.build import config, made


def test_only_what_an_apply_would_change_is_told() -> None:
    live = config("a", data={"x": "1", "y": "2"}, status={"n": 1}, resourceVersion="1")
    wanted = config("a", data={"x": "1", "z": "3"}, labels={"app": "web"})

    assert differences(live, wanted) == [
        Difference(".data.y", "2", None),
        Difference(".data.z", None, "3"),
        Difference(".metadata.labels.app", None, "web"),
    ]


def test_lists_are_compared_by_place_and_by_length() -> None:
    live = made("Deployment", "a", spec={"args": ["a", "b"], "ports": [1]})
    wanted = made("Deployment", "a", spec={"args": ["a", "c"], "ports": [1, 2]})

    assert differences(live, wanted) == [
        Difference(".spec.args[1]", "b", "c"),
        Difference(".spec.ports", [1], [1, 2]),
    ]


def test_named_items_that_change_places_are_a_change() -> None:
    """It is the order in which init containers run."""
    first, second, third = ({"name": name, "image": "i"} for name in "abc")
    live = made("Pod", "a", spec={"initContainers": [first, second]})
    swapped = made("Pod", "a", spec={"initContainers": [second, third, first]})
    longer = made("Pod", "a", spec={"initContainers": [third, first, second]})

    assert differences(live, swapped) == [
        Difference(".spec.initContainers[c]", None, third),
        Difference(".spec.initContainers", ["a", "b"], ["b", "a"]),
    ]
    assert differences(live, longer) == [Difference(".spec.initContainers[c]", None, third)]


def test_a_number_is_not_a_truth_value() -> None:
    assert differences(config("a", x=1), config("a", x=True)) == [Difference(".x", 1, True)]


def test_the_order_of_an_autoscalers_metrics_is_no_drift() -> None:
    cpu, memory = {"name": "cpu"}, {"name": "memory"}
    live = made("HorizontalPodAutoscaler", "a", spec={"metrics": [cpu, memory]})
    wanted = made("HorizontalPodAutoscaler", "a", spec={"metrics": [memory, cpu]})

    assert differences(live, wanted) == []


def test_the_values_of_a_secret_do_not_show() -> None:
    last = {"kubectl.kubernetes.io/last-applied-configuration": '{"data":{"p":"aHVudGVyMg=="}}'}
    live = made("Secret", "a", data={"p": "aHVudGVyMg=="}, type="Opaque", annotations=last)
    wanted = made("Secret", "a", data={"p": "c2VjcmV0", "q": "eA=="}, type="x")

    found = differences(live, wanted)

    assert [(each.path, each.live, each.desired) for each in found] == [
        (".data.p", "***", "***"),
        (".data.q", None, "***"),
        (".metadata.annotations.kubectl.kubernetes.io/last-applied-configuration", "***", None),
        (".type", "Opaque", "x"),
    ]


def test_a_field_that_we_no_longer_own_is_noticed() -> None:
    def with_fields(**fields: object) -> dict[str, object]:
        status = {"manager": "us", "operation": "Apply", "subresource": "status", "fieldsV1": {}}
        ours = {"manager": "us", "operation": "Apply", "fieldsV1": fields}
        return config("a", managedFields=[status, ours])

    whole, part = with_fields(a={}, b={}), with_fields(a={})

    assert is_owned_alike(whole, with_fields(b={}, a={}), "us")
    assert not is_owned_alike(part, whole, "us")
    assert is_owned_alike(part, whole, "somebody else")


def edited(fields: object, **rest: object) -> dict[str, object]:
    entry = {"manager": "kubectl-edit", "operation": "Update", "time": "2026-01-02T03:04:05Z"}
    return config("a", managedFields=[{**entry, "fieldsV1": fields}], **rest)


@pytest.mark.parametrize(
    ("live", "desired"),
    [
        (edited({"f:data": {"f:x": {}}}, data={"x": "2"}), config("a", data={"x": "1"})),
        (edited({"f:data": {}}, data={"x": "2"}), config("a", data={"x": "1"})),
        (
            edited(
                {"f:spec": {"f:pods": {'k:{"name":"w"}': {"f:image": {}}}}},
                spec={"pods": [{"name": "v"}, {"name": "w", "image": "2"}]},
            ),
            config("a", spec={"pods": [{"name": "v"}, {"name": "w", "image": "1"}]}),
        ),
    ],
)
def test_the_writer_of_a_field_is_named(live: Object, desired: Object) -> None:
    (difference,) = differences(live, desired)

    assert writer_of(live, difference, "us") == Writer("kubectl-edit", "2026-01-02T03:04:05Z")


def test_a_field_that_nobody_owns_has_no_writer() -> None:
    live = edited({"f:data": {"f:y": {}}}, data={"x": "2", "y": "1"})
    (difference,) = differences(live, config("a", data={"x": "1", "y": "1"}))

    assert writer_of(live, difference, "us") is None


def test_who_took_an_object_over_is_the_writer_of_its_labels() -> None:
    ours, theirs = (labelled(config("a"), Owner(name, "flux-system")) for name in ("apps", "team"))
    entry = {"manager": "us", "operation": "Apply", "time": "2026-01-02T03:04:05Z"}
    live = {**theirs, "metadata": {**theirs["metadata"], "managedFields": [entry]}}
    (difference,) = differences(live, ours)

    writer = writer_of(live, difference, "us")

    assert writer == Writer("Kustomization/flux-system/team", "2026-01-02T03:04:05Z")


def test_items_of_a_list_are_compared_by_name() -> None:
    live = config("a", pods=[{"name": "w", "image": "1"}, {"name": "new"}])
    desired = config("a", pods=[{"name": "w", "image": "2"}])

    assert differences(live, desired) == [
        Difference(".pods[w].image", "1", "2"),
        Difference(".pods[new]", {"name": "new"}, None),
    ]
