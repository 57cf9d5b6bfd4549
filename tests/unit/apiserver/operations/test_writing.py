from typing import Any

import pytest

from tests.unit.apiserver.conftest import Client

MAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


def config_map(name: str, value: str = "v") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "data": {"k": value},
    }


def deployment(**spec: Any) -> dict[str, Any]:
    pod = {"containers": [{"name": "c", "image": "nginx:1"}]}
    wanted = {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": pod},
        **spec,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": wanted,
    }


def test_a_created_object_gets_uid_time_and_owner_of_its_fields(client: Client) -> None:
    code, made = client.create(f"{MAPS}?fieldManager=me", config_map("a"))

    metadata = made["metadata"]
    assert code == 201
    assert metadata["namespace"] == "default"
    assert metadata["creationTimestamp"] == "2026-09-21T14:13:20Z"
    assert metadata["uid"]
    assert [(e["manager"], e["operation"]) for e in metadata["managedFields"]] == [("me", "Update")]


def test_generate_name_is_completed(client: Client) -> None:
    _, made = client.create(MAPS, {"metadata": {"generateName": "a-"}})

    assert len(made["metadata"]["name"]) == len("a-") + 5


def test_applying_the_same_again_writes_nothing(client: Client) -> None:
    _, first = client.apply(f"{DEPLOYMENTS}/web", deployment())
    _, second = client.apply(f"{DEPLOYMENTS}/web", deployment())

    assert first == second


def test_applying_what_was_read_writes_nothing(client: Client) -> None:
    client.create(DEPLOYMENTS, deployment(replicas=2))
    live = client.get(f"{DEPLOYMENTS}/web")

    assert client.send("PUT", f"{DEPLOYMENTS}/web", live)[1] == live


def test_a_contested_field_names_its_owner(client: Client) -> None:
    client.apply(f"{MAPS}/a", config_map("a"), "first")

    code, status = client.apply(f"{MAPS}/a", config_map("a", "other"), "second")

    assert code == 409
    assert status["details"]["causes"][0]["field"] == ".data.k"
    assert status["message"].startswith('Apply failed with 1 conflict: conflict with "first"')
    forced, _ = client.apply(f"{MAPS}/a", config_map("a", "other"), "second", "&force=true")
    assert forced == 200


def test_the_generation_counts_specs_only(client: Client) -> None:
    client.create(DEPLOYMENTS, deployment(replicas=1))
    path = f"{DEPLOYMENTS}/web"

    client.merge(path, {"metadata": {"labels": {"a": "b"}}})
    assert client.get(path)["metadata"]["generation"] == 1
    client.merge(f"{path}/status", {"status": {"replicas": 1}})
    assert client.get(path)["metadata"]["generation"] == 1
    client.merge(path, {"spec": {"replicas": 2}})
    assert client.get(path)["metadata"]["generation"] == 2


def test_status_is_written_through_its_subresource_only(client: Client) -> None:
    client.create(DEPLOYMENTS, {**deployment(), "status": {"replicas": 9}})
    path = f"{DEPLOYMENTS}/web"
    assert client.get(path)["status"] == {}

    client.merge(f"{path}/status", {"status": {"replicas": 3}, "spec": {"replicas": 9}})

    live = client.get(path)
    assert (live["status"], live["spec"]["replicas"]) == ({"replicas": 3}, 1)


def test_a_dry_run_answers_and_keeps_nothing(client: Client) -> None:
    code, made = client.create(f"{MAPS}?dryRun=All", config_map("a"))

    assert (code, made["data"]) == (201, {"k": "v"})
    assert client.send("GET", f"{MAPS}/a")[0] == 404


def test_scale_is_a_view_of_the_workload(client: Client) -> None:
    client.create(DEPLOYMENTS, deployment(replicas=2))
    path = f"{DEPLOYMENTS}/web/scale"

    scale = client.get(path)
    assert (scale["spec"], scale["status"]["selector"]) == ({"replicas": 2}, "app=web")
    client.merge(path, {"spec": {"replicas": 5}})
    assert client.get(f"{DEPLOYMENTS}/web")["spec"]["replicas"] == 5


def test_a_secret_keeps_string_data_as_data(client: Client) -> None:
    path = "/api/v1/namespaces/default/secrets"

    _, made = client.create(path, {"metadata": {"name": "s"}, "stringData": {"a": "b"}})

    assert (made["data"], made["type"]) == ({"a": "Yg=="}, "Opaque")
    assert "stringData" not in made


def test_a_service_keeps_the_address_it_was_given(client: Client) -> None:
    path = "/api/v1/namespaces/default/services"
    body = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "s"},
        "spec": {"ports": [{"port": 80}]},
    }
    _, made = client.apply(f"{path}/s", body)

    _, again = client.apply(f"{path}/s", {**body, "metadata": {"name": "s", "labels": {"a": "b"}}})

    assert made["spec"]["clusterIP"].startswith("10.96.")
    assert again["spec"] == made["spec"]


def test_amounts_are_written_in_their_shortest_form(client: Client) -> None:
    body = deployment()
    limits = {"cpu": "0.5", "memory": "1024Mi", "a/b": "1000"}
    body["spec"]["template"]["spec"]["containers"][0]["resources"] = {"limits": limits}

    _, made = client.create(DEPLOYMENTS, body)

    container = made["spec"]["template"]["spec"]["containers"][0]
    assert container["resources"]["limits"] == {"cpu": "500m", "memory": "1Gi", "a/b": "1k"}


def test_an_event_is_served_by_two_groups(client: Client) -> None:
    body = {
        "metadata": {"name": "e"},
        "involvedObject": {"name": "p", "kind": "Pod", "namespace": "default"},
        "message": "hello",
        "reason": "R",
        "type": "Normal",
    }
    client.create("/api/v1/namespaces/default/events", body)

    other = client.get("/apis/events.k8s.io/v1/namespaces/default/events/e")

    assert (other["apiVersion"], other["note"]) == ("events.k8s.io/v1", "hello")
    assert other["regarding"]["name"] == "p"


REFUSED = {
    "unknown field": (
        "POST",
        f"{MAPS}?fieldValidation=Strict",
        {**config_map("a"), "foo": 1},
        400,
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error:'
        ' unknown field "foo"',
    ),
    "missing namespace": (
        "POST",
        "/api/v1/namespaces/nope/configmaps",
        config_map("a"),
        404,
        'namespaces "nope" not found',
    ),
    "twice": ("POST", MAPS, config_map("there"), 409, 'configmaps "there" already exists'),
    "name": (
        "POST",
        "/api/v1/namespaces",
        {"metadata": {"name": "A_b"}},
        422,
        'Namespace "A_b" is invalid: metadata.name: Invalid value: "A_b": a lowercase RFC 1123',
    ),
    "selector": (
        "POST",
        DEPLOYMENTS,
        deployment(selector=None),
        422,
        'Deployment.apps "web" is invalid: [spec.selector: Required value, spec.template.metadata',
    ),
    "other resourceVersion": (
        "PUT",
        f"{MAPS}/there",
        {**config_map("there"), "metadata": {"name": "there", "resourceVersion": "1"}},
        409,
        'Operation cannot be fulfilled on configmaps "there": the object has been modified; please'
        " apply your changes to the latest version and try again",
    ),
    "other uid": (
        "PUT",
        f"{MAPS}/there",
        {**config_map("there"), "metadata": {"name": "there", "uid": "x"}},
        409,
        'Operation cannot be fulfilled on configmaps "there": StorageError: invalid object, Code:'
        " 4, Key: /registry/configmaps/default/there, ResourceVersion: 0, AdditionalErrorMsg:"
        " Precondition failed: UID in precondition: x, UID in object meta: ",
    ),
    "no such resource": ("GET", "/api/v1/things", None, 404, "the server could not find the"),
    "no such verb": ("DELETE", "/api/v1/configmaps", None, 405, "the server does not allow this"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_says_why(client: Client, name: str) -> None:
    method, path, body, code, message = REFUSED[name]
    client.create(MAPS, config_map("there"))

    found, status = client.send(method, path, body)

    assert found == code
    assert status["message"].startswith(message)
    assert status["code"] == code


def test_applying_to_an_object_that_is_gone_does_not_make_another(client: Client) -> None:
    body = {**config_map("a"), "metadata": {"name": "a", "uid": "x"}}

    code, status = client.apply(f"{MAPS}/a", body)

    assert code == 409
    assert "uid mismatch" in status["message"]


def test_a_patch_that_breaks_the_object_quotes_it(client: Client) -> None:
    client.create(DEPLOYMENTS, deployment())

    code, status = client.merge(f"{DEPLOYMENTS}/web", {"spec": {"replicas": "x"}})

    assert code == 422
    assert status["message"].endswith(
        "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type"
        " int32"
    )


def test_structs_that_are_always_there_have_no_owner(client: Client) -> None:
    _, made = client.create(DEPLOYMENTS, deployment())

    spec = made["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]
    assert "." not in spec
    assert "." not in spec["f:template"]
    assert "." in spec["f:strategy"]["f:rollingUpdate"]


def test_an_immutable_selector_is_quoted(client: Client) -> None:
    client.create(DEPLOYMENTS, deployment())
    labels = {"matchLabels": {"app": "other"}}
    template = {**deployment()["spec"]["template"], "metadata": {"labels": {"app": "other"}}}

    code, status = client.merge(
        f"{DEPLOYMENTS}/web", {"spec": {"selector": labels, "template": template}}
    )

    assert code == 422
    assert status["message"] == (
        'Deployment.apps "web" is invalid: spec.selector: Invalid value:'
        ' {"matchLabels":{"app":"other"}}: field is immutable'
    )


def test_lists_are_paged_at_one_revision(client: Client) -> None:
    client.create("/api/v1/namespaces", {"metadata": {"name": "n"}})
    path = "/api/v1/namespaces/n/configmaps"
    for name in "abc":
        client.create(path, config_map(name))

    first = client.get(f"{path}?limit=2")
    client.delete(f"{path}/c")
    token = first["metadata"]["continue"]
    second = client.get(f"{path}?limit=2&continue={token}")

    names = [item["metadata"]["name"] for page in (first, second) for item in page["items"]]
    assert names == ["a", "b", "c", "kube-root-ca.crt"]
    assert first["metadata"]["remainingItemCount"] == 2
    assert "continue" not in second["metadata"]


def test_only_metadata_is_sent_if_only_that_is_accepted(client: Client) -> None:
    accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
    client.create(MAPS, config_map("a"))

    _, found = client.send("GET", f"{MAPS}/a", accept=accept)

    assert found["kind"] == "PartialObjectMetadata"
    assert "data" not in found


def test_a_lease_is_replaced_only_by_who_says_which(client: Client) -> None:
    path = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
    body = {"metadata": {"name": "a"}, "spec": {"holderIdentity": "b"}}
    client.send("POST", path, body)

    code, status = client.send("PUT", f"{path}/a", body)

    assert code == 422
    assert "metadata.resourceVersion" in status["message"]
    assert "must be specified for an update" in status["message"]


def test_an_annotation_of_a_deployment_is_a_new_generation_and_a_label_is_none(
    client: Client,
) -> None:
    path = "/apis/apps/v1/namespaces/default/deployments"
    labels = {"app": "a"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    spec = {"selector": {"matchLabels": labels}, "template": template}
    client.create(path, {"metadata": {"name": "a"}, "spec": spec})

    labelled = client.merge(f"{path}/a", {"metadata": {"labels": {"a": "b"}}})[1]
    noted = client.merge(f"{path}/a", {"metadata": {"annotations": {"a": "b"}}})[1]

    assert (labelled["metadata"]["generation"], noted["metadata"]["generation"]) == (1, 2)
