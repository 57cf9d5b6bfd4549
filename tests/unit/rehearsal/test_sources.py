from typing import Any

import pytest

from engine.api import decode
from engine.api.kustomize import Kustomization
from engine.rehearsal.sources import Checkout, remotes_in, tree_of
from engine.source.tree import MemoryTree

HERE = MemoryTree({"apps/a.yaml": b""})
REMOTES = ("git@git.example.org:acme/fleet.git",)


def kustomization(kind: str = "GitRepository", path: str = "./apps") -> Kustomization:
    spec = {
        "interval": "1m",
        "prune": True,
        "path": path,
        "sourceRef": {"kind": kind, "name": "fleet"},
    }
    return decode(Kustomization, {"metadata": {"name": "a", "namespace": "ns"}, "spec": spec})


def repository(url: str) -> dict[str, Any]:
    return {"spec": {"url": url}}


@pytest.mark.parametrize(
    "url",
    [
        "ssh://git@git.example.org/acme/fleet",
        "ssh://git@git.example.org:22/acme/fleet.git",
        "https://bot:token@GIT.example.org/Acme/Fleet.git/",
        "git@git.example.org:acme/fleet",
    ],
)
def test_the_same_repository_may_be_written_in_many_ways(url: str) -> None:
    tree, absent = tree_of(kustomization(), repository(url), Checkout(HERE, REMOTES))

    assert (tree, absent) == (HERE, "")


@pytest.mark.parametrize(
    ("ks", "source", "why"),
    [
        (
            kustomization(),
            repository("https://a:b@git.example.org/other/fleet"),
            "is another repository (git.example.org/other/fleet)",
        ),
        (kustomization("OCIRepository"), None, "is not this repository"),
        (kustomization(path="./gone"), None, "is not known here"),
    ],
)
def test_what_is_not_here_is_said_with_what_to_do(
    ks: Kustomization, source: dict[str, Any] | None, why: str
) -> None:
    tree, absent = tree_of(ks, source, Checkout(HERE, REMOTES))

    assert tree is None
    assert why in absent
    assert absent.endswith("ns/fleet=FOLDER")


def test_a_folder_that_somebody_names_wins() -> None:
    other = MemoryTree({"b.yaml": b""})
    checkout = Checkout(HERE, REMOTES, {"OCIRepository/ns/fleet": other})

    assert tree_of(kustomization("OCIRepository"), None, checkout) == (other, "")


def test_remotes_are_read_from_git_s_own_file() -> None:
    text = '[core]\n\tbare = false\n[remote "origin"]\n\turl = ssh://a/b\n\tfetch = x\n'

    assert remotes_in(text) == ("ssh://a/b",)
