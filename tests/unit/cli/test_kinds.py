import click
import pytest

from engine.api import KINDS
from engine.cli.kinds import parse, parse_one
from engine.cluster.resource import resource_of


@pytest.mark.parametrize(
    ("words", "kind", "names"),
    [
        (("ks",), "Kustomization", ()),
        (("kustomization", "apps"), "Kustomization", ("apps",)),
        (("Kustomizations",), "Kustomization", ()),
        (("hr", "a", "b"), "HelmRelease", ("a", "b")),
        (("source", "git", "flux-system"), "GitRepository", ("flux-system",)),
        (("sources", "git"), "GitRepository", ()),
        (("sources", "oci"), "OCIRepository", ()),
        (("source", "external", "x"), "ExternalArtifact", ("x",)),
        (("gitrepo", "x"), "GitRepository", ("x",)),
    ],
)
def test_words_name_a_kind(words: tuple[str, ...], kind: str, names: tuple[str, ...]) -> None:
    found, rest = parse_one(words)

    assert (found.name, rest) == (kind, names)


def test_all_sources_are_six_kinds_and_all_are_two_more() -> None:
    assert [kind.name for kind in parse(("sources", "all"))[0]] == [
        "GitRepository",
        "OCIRepository",
        "Bucket",
        "HelmRepository",
        "HelmChart",
        "ExternalArtifact",
    ]
    assert [kind.name for kind in parse(("all",))[0]][6:] == ["Kustomization", "HelmRelease"]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ((), r"which kind\? one of: .*, all$"),
        (
            ("pods",),
            r"'pods' is no kind that is known here; one of: kustomization \(ks\), .*, all$",
        ),
        (("source",), "which kind of source"),
        (("source", "svn"), "'svn' is no kind of source"),
        (("alerts",), "'alerts' is no kind"),
    ],
)
def test_other_words_are_refused_with_those_that_are_known(
    words: tuple[str, ...], problem: str
) -> None:
    with pytest.raises(click.UsageError, match=problem):
        parse(words)


def test_one_kind_is_not_all_of_them() -> None:
    for words in (("all",), ("pods",), ()):
        with pytest.raises(click.UsageError, match=r"external$"):
            parse_one(words)


def test_the_resource_of_a_kind_is_its_path() -> None:
    kind = KINDS["kustomize.toolkit.fluxcd.io", "Kustomization"]

    path = resource_of(kind).path("ns", "apps")
    assert path == "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/ns/kustomizations/apps"
