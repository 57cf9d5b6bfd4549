import pytest

from engine.objects.ref import Ref
from engine.plan.kinship import Kin, repository_of

ONE, OTHER = (Ref("source", "GitRepository", "flux", name) for name in ("one", "other"))


@pytest.mark.parametrize(
    "url",
    [
        "https://git.example/org/fleet",
        "https://user:token@GIT.example/org/fleet.git/",
        "ssh://git@git.example:22/org/fleet",
        "git@git.example:org/fleet.git",
    ],
)
def test_a_repository_is_the_same_however_it_is_reached(url: str) -> None:
    assert repository_of({"spec": {"url": url}}) == "git.example/org/fleet"


@pytest.mark.parametrize(
    ("source", "repository"),
    [
        (None, ""),
        ({"spec": {}}, ""),
        ({"spec": {"url": "https://git.example:8443/a"}}, "git.example:8443/a"),
        ({"spec": {"url": "oci://ghcr.io/org/a"}}, "ghcr.io/org/a"),
        ({"spec": {"endpoint": "minio:9000", "bucketName": "a"}}, "minio:9000/a"),
    ],
)
def test_every_kind_of_source_reads_something(source: dict[str, object], repository: str) -> None:
    assert repository_of(source) == repository


OLD = Kin(ONE, "host/a", "web", parent=("flux", "flux"))


@pytest.mark.parametrize(
    ("other", "related", "heir"),
    [
        (Kin(ONE, "host/a", "shop"), True, False),
        (Kin(OTHER, "host/a", "shop"), True, False),
        (Kin(OTHER, "host/a", "web", is_new=True), True, True),
        (Kin(OTHER, "host/a", "web/part", is_new=True), True, True),
        (Kin(OTHER, "host/a", "web2", is_new=True), True, False),
        (Kin(OTHER, "host/b", "web", is_new=True), False, False),
        (Kin(OTHER, "host/b", "web", parent=OLD.parent, is_new=True), True, True),
        (Kin(OTHER, "host/b", "web", parent=OLD.parent), False, False),
        (Kin(OTHER, "", "web", is_new=True), True, True),  # its source is not there yet
        (Kin(OTHER, "", "shop", is_new=True), False, False),
    ],
)
def test_who_may_want_the_same_objects(other: Kin, related: bool, heir: bool) -> None:
    assert (OLD.is_related(other), OLD.is_heir(other)) == (related, heir)


def test_all_that_a_target_namespace_makes_is_in_it_or_in_none() -> None:
    kin = Kin(ONE, target="ns")

    assert kin.may_make(Ref("", "ConfigMap", "ns", "a"))
    assert kin.may_make(Ref("", "Namespace", "", "a"))
    assert not kin.may_make(Ref("", "ConfigMap", "other", "a"))
