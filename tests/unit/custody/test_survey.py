"""What is found in a repository, and which Kustomization builds it; no key is needed."""

from pathlib import Path

import pytest

from engine.sops import Format
from tests.support.custody import DECRYPTION, LOGIN, Repository, flux
from tests.support.sealing import Person, Seal

ME, OTHER = Person(), Person()
SECRET = Seal([ME, OTHER], "^stringData$").yaml(LOGIN)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def test_encrypted_files_of_every_format_are_found(repository: Repository) -> None:
    seal = Seal([ME])
    repository.put(
        {
            "a.yaml": SECRET,
            "b.json": seal.json({"a": "b"}),
            "c.env": seal.dotenv(A="b"),
            "d.bin": seal.binary("text"),
            "e.yaml": "a: sops\n",
            "README.md": "sops:\n  mac: ENC[AES256_GCM,data: and so on",
        }
    )

    found = {each.file: each.format for each in repository.survey().sealed}

    assert found == {
        "a.yaml": Format.YAML,
        "b.json": Format.JSON,
        "c.env": Format.DOTENV,
        "d.bin": Format.BINARY,
    }


def test_what_gitignore_names_and_links_are_not_looked_at(repository: Repository) -> None:
    repository.put(
        {
            "in/.gitignore": "*.dec.yaml\n",
            "in/a.dec.yaml": SECRET,
            "a.yaml": SECRET,
            ".git/b": SECRET,
        }
    )
    (repository.root / "link.yaml").symlink_to(repository.root / "a.yaml")

    assert [each.file for each in repository.survey().sealed] == ["a.yaml"]


def test_a_broken_file_says_what_is_wrong_and_where(repository: Repository) -> None:
    repository.put({"a.yaml": SECRET.replace(b"lastmodified: '2026", b"lastmodified: 'soon")})

    (found,) = repository.survey().sealed

    assert found.metadata is None
    assert "sops.lastmodified" in found.problem


def test_a_kustomization_reads_what_its_build_reads(repository: Repository) -> None:
    repository.put(
        {
            "clusters/apps.yaml": flux("apps", "./apps", **DECRYPTION),
            "apps/kustomization.yaml": "resources: [../base]\n",
            "base/kustomization.yaml": "resources: [login.yaml]\n",
            "base/login.yaml": SECRET,
            "apps/unused.yaml": SECRET,
        }
    )

    (consumer,) = repository.consumers()

    assert consumer.name == "flux-system/apps"
    assert (consumer.decrypts, consumer.secret, consumer.problem) == (True, "sops-age", "")
    assert "base/login.yaml" in consumer.files
    assert "apps/unused.yaml" not in consumer.files


def test_decryption_that_a_parent_patches_in_counts(repository: Repository) -> None:
    patch = (
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: x}\n"
        "spec: {decryption: {provider: sops, secretRef: {name: keys}}}\n"
    )
    patches = [{"patch": patch, "target": {"kind": "Kustomization", "name": "apps"}}]
    repository.put(
        {
            "top.yaml": flux("top", "./clusters", patches=patches),
            "clusters/apps.yaml": flux("apps", "./apps/${stage}"),
            "apps/prod/login.yaml": SECRET,
        }
    )
    given = flux("top", "./clusters", patches=patches, postBuild={"substitute": {"stage": "prod"}})
    repository.put({"top.yaml": given})

    found = {each.name: each for each in repository.consumers()}

    assert found["flux-system/apps"].decrypts
    assert found["flux-system/apps"].path == "./apps/prod"
    assert found["flux-system/apps"].files == {"apps/prod/login.yaml"}


def test_of_a_kustomization_that_cannot_be_built_all_files_below_its_path_are_taken(
    repository: Repository,
) -> None:
    repository.put(
        {
            "a.yaml": flux("apps", "./apps"),
            "apps/kustomization.yaml": "resources: [gone.yaml]\n",
            "apps/login.yaml": SECRET,
        }
    )

    (consumer,) = repository.consumers()

    assert "gone.yaml" in consumer.problem
    assert "apps/login.yaml" in consumer.files
