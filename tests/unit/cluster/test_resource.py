import pytest

from engine.cluster import Invalid, Resource

ROLES = Resource("rbac.authorization.k8s.io", "v1", "Role", "roles", namespaced=True)
NODES = Resource("", "v1", "Node", "nodes", namespaced=False)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (ROLES.path(), "/apis/rbac.authorization.k8s.io/v1/roles"),
        (ROLES.path("ns"), "/apis/rbac.authorization.k8s.io/v1/namespaces/ns/roles"),
        (
            ROLES.path("ns", "system:a b"),
            "/apis/rbac.authorization.k8s.io/v1/namespaces/ns/roles/system%3Aa%20b",
        ),
        (NODES.path("ns", "one", "status"), "/api/v1/nodes/one/status"),
    ],
)
def test_paths_are_those_of_the_api(given: str, wanted: str) -> None:
    assert given == wanted


@pytest.mark.parametrize("name", [".", "..", "a/b", "a%2fb"])
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(Invalid, match="is no name"):
        ROLES.path("ns", name)
    with pytest.raises(Invalid, match="is no name"):
        ROLES.path(name)


def test_it_is_called_by_its_version_and_kind() -> None:
    assert (str(ROLES), ROLES.title) == (
        "rbac.authorization.k8s.io/v1 Role",
        "roles.rbac.authorization.k8s.io",
    )
