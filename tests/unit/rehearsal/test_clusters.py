import pytest

from engine.rehearsal.clusters import clusters_of


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        ({"apps.yaml": "ns/apps", "infra.yaml": "ns/infra"}, {"apps.yaml": "", "infra.yaml": ""}),
        (
            {"clusters/prod/a.yaml": "ns/a", "clusters/staging/f/b.yaml": "ns/b"},
            {
                "clusters/prod/a.yaml": "clusters/prod",
                "clusters/staging/f/b.yaml": "clusters/staging",
            },
        ),
        (
            {"deploy/eu/a.yaml": "ns/a", "deploy/us/a.yaml": "ns/a", "deploy/us/b.yaml": "ns/b"},
            {
                "deploy/eu/a.yaml": "deploy/eu",
                "deploy/us/a.yaml": "deploy/us",
                "deploy/us/b.yaml": "deploy/us",
            },
        ),
        ({"x/a.yaml": "ns/a", "x/b.yaml": "ns/a"}, {"x/a.yaml": "", "x/b.yaml": ""}),
    ],
    ids=["one", "by convention", "by the folders in which names differ", "defined twice"],
)
def test_where_manifests_lie_tells_which_cluster_they_are_for(
    found: dict[str, str], wanted: dict[str, str]
) -> None:
    assert clusters_of(list(found.items())) == wanted
