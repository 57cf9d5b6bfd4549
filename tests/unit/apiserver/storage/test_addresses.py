from tests.unit.apiserver.conftest import Client

SERVICES = "/api/v1/namespaces/default/services"


def service(name: str, **spec: object) -> dict[str, object]:
    return {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}}


def test_no_two_services_share_an_address_or_a_node_port(client: Client) -> None:
    made = [client.create(SERVICES, service(f"s{n}", type="NodePort"))[1] for n in range(50)]

    specs = [obj["spec"] for obj in made]
    assert len({spec["clusterIP"] for spec in specs}) == 50
    assert [spec["ports"][0]["nodePort"] for spec in specs] == list(range(30000, 30050))


def test_what_a_deleted_service_had_is_free_again(client: Client) -> None:
    client.create(SERVICES, service("a", type="NodePort"))
    client.create(SERVICES, service("b", type="NodePort"))
    client.delete(f"{SERVICES}/a")

    port = client.create(SERVICES, service("c", type="NodePort"))[1]["spec"]["ports"][0]

    assert port["nodePort"] == 30000
