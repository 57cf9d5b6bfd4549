"""The story with bases that are named by URL: what is fetched, and when it is built again."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
import pytest

from engine.objects.manifests import dump
from engine.reconcile.builders import InThread, Statistics
from engine.reconcile.remotes import Fetch, secrets_in_urls
from engine.reconcile.triggers import DRIFT
from engine.render import Needs, Remotes, Rendered, Request
from engine.runtime import Priority
from engine.source.artifact import Artifact
from engine.source.tree import MemoryTree, Tree
from tests.support.bases import FakeBases
from tests.support.fleet import config_map
from tests.support.processes import until
from tests.support.reconciling import SOURCE, Workshop

CLONE = "https://git.example.com/org/base.git"
BASE = f"{CLONE}//app?ref=main"
FILE = "https://example.com/map.yaml"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Counting:
    """A builder that counts the builds that came to an end."""

    count: int = 0
    inner: InThread = field(default_factory=lambda: InThread(0))

    def statistics(self) -> Statistics:
        return self.inner.statistics()

    async def build(
        self,
        tree: Tree,
        request: Request,
        priority: Priority,
        remotes: Remotes | None = None,
        *,
        tenant: str = "",
    ) -> Rendered:
        rendered = await self.inner.build(tree, request, priority, remotes)
        self.count += 1
        return rendered


def base(name: str = "base", **more: str) -> Mapping[str, str]:
    """The files of a repository whose folder `app` holds a ConfigMap."""
    return {
        "app/kustomization.yaml": "resources: [map.yaml]\n",
        "app/map.yaml": dump(config_map(name, "flux")),
        **more,
    }


def workshop_of(*urls: str, **settings: Any) -> tuple[Workshop, Counting]:
    """A Kustomization that uses these URLs."""
    workshop, counting = Workshop(), Counting()
    settings_ = replace(workshop.settings, **settings)
    workshop.engine = replace(workshop.engine, builders=counting, settings=settings_)
    revision(workshop, "main@sha1:1", *urls)
    workshop.kustomization()
    return workshop, counting


def revision(workshop: Workshop, name: str, *urls: str, **files: bytes) -> None:
    """The source holds that revision now; files: beside the kustomization."""
    content = {"app/kustomization.yaml": dump({"resources": list(urls)}).encode()}
    content |= {f"{folder}/x.yaml": text for folder, text in files.items()}
    artifact = Artifact(name, f"sha256:{name}", MemoryTree(content))
    workshop.engine.artifacts.put(SOURCE, artifact)
    described = {"revision": name, "digest": artifact.digest, "url": "http://x"}
    metadata = {"name": SOURCE.name, "namespace": SOURCE.namespace, "generation": 1}
    workshop.tell(
        {
            "apiVersion": f"{SOURCE.group}/v1",
            "kind": SOURCE.kind,
            "metadata": metadata,
            "spec": {},
            "status": {"artifact": described},
        }
    )


def names(workshop: Workshop) -> set[str]:
    return {ref.name for ref in workshop.client.objects if ref.kind == "ConfigMap"}


async def test_all_that_a_build_names_is_fetched_and_applied() -> None:
    workshop, _ = workshop_of(BASE, FILE)
    workshop.bases.repositories[f"{CLONE}@main"] = base()
    workshop.bases.files[FILE] = dump(config_map("file", "flux")).encode()

    await workshop.run()

    assert workshop.said().startswith("True ReconciliationSucceeded")
    assert names(workshop) == {"base", "file"}


async def test_a_base_may_name_further_bases_and_each_is_fetched_once() -> None:
    other = "https://git.example.com/org/other//app?ref=v1"
    workshop, _ = workshop_of(BASE)
    workshop.bases.repositories[f"{CLONE}@main"] = {
        **base(),
        "app/kustomization.yaml": f"resources: [map.yaml, '{other}']\n",
    }
    workshop.bases.repositories["https://git.example.com/org/other@v1"] = base("other")

    await workshop.run()

    assert names(workshop) == {"base", "other"}
    # A URL without a mark where the repository ends is first asked for as a file, as by kustomize.
    assert workshop.bases.asked == [
        BASE,
        f"{CLONE}@main",
        other,
        "https://git.example.com/org/other@v1",
    ]


async def test_what_stands_where_it_stood_is_looked_up_and_not_built_again() -> None:
    workshop, counting = workshop_of(BASE, FILE)
    workshop.bases.repositories[f"{CLONE}@main"] = base()
    workshop.bases.files[FILE] = dump(config_map("file", "flux")).encode()
    await workshop.run()
    workshop.bases.asked.clear()

    await workshop.run()
    revision(workshop, "main@sha1:2", BASE, FILE, unrelated=b"news")
    await workshop.run()

    assert counting.count == 1
    assert sorted(workshop.bases.asked) == sorted([f"{CLONE}@main", FILE] * 2)
    assert workshop.status()["lastAppliedRevision"] == "main@sha1:2"


async def test_a_change_of_a_base_that_the_build_does_not_read_is_not_built() -> None:
    workshop, counting = workshop_of(BASE)
    workshop.bases.repositories[f"{CLONE}@main"] = base()
    await workshop.run()

    workshop.bases.repositories[f"{CLONE}@main"] = base(**{"README.md": "news"})
    await workshop.run()
    assert counting.count == 1
    workshop.bases.repositories[f"{CLONE}@main"] = base("renamed")
    await workshop.run()
    assert counting.count == 2
    assert names(workshop) == {"renamed"}


async def test_a_base_whose_commit_is_named_is_never_looked_up_again() -> None:
    workshop, counting = workshop_of(BASE.replace("main", COMMIT))
    workshop.bases.repositories[f"{CLONE}@{COMMIT}"] = base()
    await workshop.run()
    workshop.bases.asked.clear()

    await workshop.run()

    assert counting.count == 1
    assert workshop.bases.asked == []


async def test_a_correction_of_drift_waits_for_no_server() -> None:
    workshop, counting = workshop_of(BASE)
    workshop.bases.repositories[f"{CLONE}@main"] = base()
    await workshop.run()
    workshop.bases.asked.clear()

    await workshop.run(reasons=(DRIFT,), priority=Priority.DRIFT)

    assert workshop.bases.asked == []
    assert counting.count == 1


async def test_what_cannot_be_fetched_is_named_with_its_line_and_tried_again() -> None:
    workshop, _ = workshop_of("missing.yaml", BASE)

    await workshop.run()
    said = workshop.said()
    assert said.startswith("False BuildFailed: kustomize build failed: ")
    assert "app/kustomization.yaml:3" in said
    assert f"cannot fetch '{BASE}': as a file: HTTP 404 from '{BASE}'; as a Git repo" in said
    assert "no such host" in said
    assert "no such file 'app/missing.yaml'" in said  # all that is wrong, at once

    workshop.bases.repositories[f"{CLONE}@main"] = base()
    revision(workshop, "main@sha1:2", BASE)
    await workshop.run()
    assert workshop.said().startswith("True ReconciliationSucceeded")


async def test_a_failure_to_fetch_is_not_remembered_for_the_tree() -> None:
    workshop, _ = workshop_of(BASE)
    await workshop.run()
    workshop.bases.repositories[f"{CLONE}@main"] = base()

    await workshop.run()

    assert workshop.said().startswith("True ReconciliationSucceeded")


async def test_a_base_that_is_lost_fails_and_nothing_is_pruned() -> None:
    workshop, _ = workshop_of(BASE)
    workshop.bases.repositories[f"{CLONE}@main"] = base()
    await workshop.run()
    workshop.bases.repositories.clear()

    await workshop.run()

    assert workshop.said().startswith("False BuildFailed: ")
    assert names(workshop) == {"base"}


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ssh://git@git.example.com/org/base", "bases are not fetched by Git over ssh"),
        ("git@github.com:org/base.git", "bases are not fetched by Git over ssh"),
        ("file:///etc/base", "file:// would read files of the engine"),
    ],
)
async def test_what_is_never_fetched_is_refused_without_asking(url: str, said: str) -> None:
    workshop, _ = workshop_of(url)

    await workshop.run()

    assert said in workshop.said()
    assert workshop.bases.asked == []


async def test_with_no_remote_bases_nothing_is_asked_for() -> None:
    workshop, _ = workshop_of(BASE, no_remote_bases=True)

    await workshop.run()

    assert f"remote resource '{BASE}' is not allowed (--no-remote-bases)" in workshop.said()
    assert workshop.bases.asked == []


async def test_a_web_page_is_no_file_but_where_a_repository_may_be() -> None:
    workshop, _ = workshop_of(BASE)
    workshop.bases.files[BASE] = b"<!DOCTYPE html><title>org/base</title>"
    workshop.bases.repositories[f"{CLONE}@main"] = base()

    await workshop.run()

    assert names(workshop) == {"base"}


async def test_a_file_that_is_wrong_is_told_as_one_where_there_is_no_repository() -> None:
    url = "https://raw.example.com/org/repo/main/map.yaml"
    workshop, _ = workshop_of(url)
    workshop.bases.files[url] = b"kind: ConfigMap\n  data: {}\n"

    await workshop.run()

    assert "cannot fetch" not in workshop.said()
    assert f"{url}:2" in workshop.said()


async def test_no_slot_is_held_while_a_server_hangs_and_its_timeout_ends_it() -> None:
    url = f"{CLONE}//app?ref=main&timeout=100ms"
    workshop, _ = workshop_of(url)
    workshop.bases.gate = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(workshop.run)
        await until(lambda: workshop.bases.asked)
        assert workshop.turn is not None
        assert workshop.turn.is_yielded

    assert "no complete answer within 100ms (the URL's timeout)" in workshop.said()


async def test_one_deadline_bounds_all_that_is_fetched_for_a_build() -> None:
    fetch = Fetch(FakeBases(gate=anyio.Event()), 0.05, "spec.timeout")

    await fetch.bring(Needs(bases=frozenset({BASE})))
    await fetch.bring(Needs(files=frozenset({FILE})))

    assert list(fetch.got.failures) == [BASE, FILE]
    for said in fetch.got.failures.values():
        assert said.startswith("no complete answer within 50ms (spec.timeout): the server is slow")


async def test_a_newer_revision_ends_a_fetch_that_hangs() -> None:
    workshop, _ = workshop_of(BASE)
    workshop.bases.gate = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(workshop.run)
        await until(lambda: workshop.bases.asked)
        revision(workshop, "main@sha1:2", x=dump(config_map("x", "flux")).encode())

    assert workshop.told() == []  # it is run again at once


async def test_more_urls_than_a_build_may_use_are_refused() -> None:
    workshop, _ = workshop_of(*(f"https://example.com/{n}.yaml" for n in range(501)))

    await workshop.run()

    assert "it names more than 500 URLs" in workshop.said()
    assert workshop.bases.asked == []


async def test_files_that_are_too_much_together_are_refused() -> None:
    urls = [f"https://example.com/{number:02}.yaml" for number in range(12)]
    fetch = Fetch(FakeBases(files=dict.fromkeys(urls, b"#" * 2**23)), 10, "spec.timeout")

    await fetch.bring(Needs(files=frozenset(urls)))

    assert len(fetch.got.files) >= 9
    assert {*fetch.got.files, *fetch.got.failures} == set(urls)
    assert all("more than 64 MiB together" in said for said in fetch.got.failures.values())
    assert fetch.got.failures


async def test_a_login_in_a_url_shows_in_no_message() -> None:
    url = "https://someone:hunter2-hunter2@git.example.com/org/base.git//app"
    workshop, _ = workshop_of(url)

    await workshop.run()

    assert workshop.said().startswith("False BuildFailed")
    assert "hunter2" not in str(workshop.status()) + str(workshop.told())


@pytest.mark.parametrize(
    ("url", "secrets"),
    [
        ("https://example.com/org/repo?ref=release-2024-01", []),
        ("https://git@example.com/org/repo", []),
        ("git::https://user:pw@example.com/org/repo", ["pw"]),
        ("https://ghp0123456789@example.com/org/repo", ["ghp0123456789"]),
        ("https://example.com/x.yaml?inline=false&token=0123456789", ["0123456789"]),
        ("https://[broken/x", []),
    ],
)
def test_what_may_be_secret_in_a_url(url: str, secrets: list[str]) -> None:
    assert secrets_in_urls([url]) == secrets
