import click
import pytest

from engine.api import KINDS as SERVED
from engine.cli.kinds import KINDS, first_words, kind_called, parse, parse_one, second_words


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
        (("alert", "x"), "Alert", ("x",)),
        (("alert-providers",), "Provider", ()),
        (("providers",), "Provider", ()),
        (("receivers", "github"), "Receiver", ("github",)),
        (("images", "policy"), "ImagePolicy", ()),
        (("image", "update", "x"), "ImageUpdateAutomation", ("x",)),
        (("artifacts", "generators"), "ArtifactGenerator", ()),
    ],
)
def test_words_name_a_kind(words: tuple[str, ...], kind: str, names: tuple[str, ...]) -> None:
    found, rest = parse_one(words)

    assert (found.name, rest) == (kind, names)


def names(*words: str) -> list[str]:
    return [kind.name for kind in parse(words)[0]]


def test_all_is_what_flux_lists_in_its_order() -> None:
    sources = ["OCIRepository", "Bucket", "GitRepository", "HelmRepository", "HelmChart"]
    images = ["ImageRepository", "ImagePolicy", "ImageUpdateAutomation"]

    assert names("sources", "all") == [*sources, "ExternalArtifact"]
    assert names("images", "all") == images
    assert names("all") == [
        *sources,
        "ExternalArtifact",
        *images,
        "HelmRelease",
        "Kustomization",
        "Receiver",
        "Provider",
        "Alert",
    ]


def test_every_served_kind_is_known_as_it_is_served() -> None:
    for served in SERVED.values():
        kind = KINDS[served.name]
        assert (kind.group, kind.version, kind.plural) == (
            served.group,
            served.version,
            served.plural,
        )
        assert all(parse_one([word])[0] is kind for word in served.short_names)
        assert kind.is_own


def test_a_kind_is_found_by_its_name_in_any_case() -> None:
    assert kind_called("kustomization") is KINDS["Kustomization"]
    assert kind_called("Pod") is None


def test_completion_offers_what_is_understood() -> None:
    for word in first_words():
        for second in list(second_words(word)) or [""]:
            assert parse([word, second] if second else [word])[0]


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
        (("alertz",), "'alertz' is no kind that is known here; there is 'alert'"),
    ],
)
def test_other_words_are_refused_with_those_that_are_known(
    words: tuple[str, ...], problem: str
) -> None:
    with pytest.raises(click.UsageError, match=problem):
        parse(words)


def test_one_kind_is_not_all_of_them() -> None:
    for words in (("all",), ("pods",), ()):
        with pytest.raises(click.UsageError, match=r"artifact generator$"):
            parse_one(words)


def test_the_resource_of_a_kind_is_its_path() -> None:
    path = KINDS["Kustomization"].resource.path("ns", "apps")
    assert path == "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/ns/kustomizations/apps"
