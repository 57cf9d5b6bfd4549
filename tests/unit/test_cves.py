"""What went wrong elsewhere, and must not here: a test for each row of users.md 3b, by its name.

These are about rendering and references; those that want a cluster are in tests/cluster/test_cves,
those about kubeconfigs and Git beside what they test.
"""

import base64
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.api.meta import KUSTOMIZE_GROUP
from engine.errors import ArtifactFailed, BuildFailed
from engine.objects.cel import CelError, parsed
from engine.objects.manifests import ManifestError, dump, parse
from engine.objects.ref import Object, Ref
from engine.reconcile.builders import open_builders
from engine.reconcile.remotes import Fetch, built
from engine.render import Remotes, Rendered, Request, render
from engine.runtime import Priority
from engine.settings import Settings
from engine.source.git_commit import parse_commit
from engine.source.git_tree import GitTree
from engine.source.store import Store
from engine.source.tree import MemoryTree, Tree
from tests.support.audit import STARTS, audited
from tests.support.bases import FakeBases
from tests.support.build import config, made
from tests.support.forge import Forge
from tests.support.reconciling import APP, Workshop

CANARY = "Canary/4+cve=?"
OUTSIDE = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: outside}\ndata: {a: " + CANARY + "}\n"
COMPONENT = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
FIELDS = {
    "resources": "resources: ['PATH']",
    "bases": "bases: ['PATH']",
    "components": "components: ['PATH']",
    "crds": "resources: [a.yaml]\ncrds: ['PATH']",
    "configurations": "resources: [a.yaml]\nconfigurations: ['PATH']",
    "openapi": "resources: [a.yaml]\nopenapi: {path: 'PATH'}",
    "files": "configMapGenerator: [{name: x, files: ['PATH']}]",
    "envs": "secretGenerator: [{name: x, envs: ['PATH']}]",
    "patches": "resources: [a.yaml]\npatches: [{path: 'PATH'}]",
    "patchesStrategicMerge": "resources: [a.yaml]\npatchesStrategicMerge: ['PATH']",
    "replacements": "resources: [a.yaml]\nreplacements: [{path: 'PATH'}]",
    "transformers": "resources: [a.yaml]\ntransformers: ['PATH']",
    "generators": "generators: ['PATH']",
    "validators": "resources: [a.yaml]\nvalidators: ['PATH']",
    "helmCharts": "helmGlobals: {chartHome: 'PATH'}\nhelmCharts: [{name: x, valuesFile: 'PATH'}]",
}


def in_git(folder: Path, files: dict[str, bytes], links: dict[str, bytes] | None = None) -> GitTree:
    forge = Forge(folder)
    commit = forge.commit("repository", files, links=links or {})
    store = Store(folder / "repository")
    return GitTree(store, parse_commit(commit, store.commit(commit)).tree)


async def said(tree: Tree, path: str) -> str:
    """All that comes of a build: its objects, or what is wrong."""
    fetch = Fetch(FakeBases(), 5.0, "the test")

    async def build(remotes: Remotes) -> Rendered:
        return render(tree, Request(path=path), remotes)

    try:
        return str([each.obj for each in (await built(build, fetch, fetch.bring)).objects])
    except (BuildFailed, ArtifactFailed) as failure:
        return str(failure)


@pytest.mark.parametrize("field", FIELDS)
async def test_cve_2022_24877_nothing_outside_of_the_git_tree_is_opened(
    field: str, tmp_path: Path
) -> None:
    """And CVE-2022-24348, -24730, -24731, -24904, -31036, CVE-2023-40026, and audit 2023 no. 10."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kustomization.yaml").write_text("resources: [x.yaml]")
    (outside / "x.yaml").write_text(OUTSIDE)
    up = "../" * 30
    links = {
        "file.yaml": f"{outside}/x.yaml".encode(),
        "folder": str(outside).encode(),
        "relative.yaml": f"{up}{outside}/x.yaml".encode(),
        "chained.yaml": b"file.yaml",
        "environment": b"/proc/self/environ",
    }
    paths = [
        *(f"{outside}{rest}" for rest in ("", "/x.yaml")),
        *(f"{up}{outside}{rest}" for rest in ("", "/x.yaml")),
        *(f"file://{outside}", f"..\\..{outside}", f"app/../../{outside}", f"{outside}//x.yaml"),
        *links,
        "folder/x.yaml",
    ]
    folders = {f"{number}": path for number, path in enumerate(paths)}
    files = {
        f"{folder}/{name}": text.encode()
        for folder, path in folders.items()
        for name, text in (
            ("kustomization.yaml", FIELDS[field].replace("PATH", path)),
            ("a.yaml", dump(config("a"))),
        )
    }
    everywhere = {f"{folder}/{name}": to for folder in folders for name, to in links.items()}
    tree = in_git(tmp_path, files, everywhere)
    for folder, path in folders.items():
        with audited("open") as opened:
            text = await said(tree, folder)

        assert CANARY not in text, path
        reached = [str(each[0]) for _, each in opened]
        assert not [each for each in reached if each.startswith((str(outside), "/proc/self"))], path


@pytest.mark.parametrize("path", ["../../../../etc", "/etc", "../absent", "app/../../etc/passwd"])
def test_cve_2026_47680_a_path_does_not_tell_what_exists_outside(path: str) -> None:
    tree = MemoryTree({"app/a.yaml": dump(config("a")).encode()})

    with audited("open", "os.listdir", "os.scandir", "os.chdir") as touched:
        with pytest.raises((BuildFailed, ArtifactFailed)) as there:
            render(tree, Request(path=path))
        with pytest.raises((BuildFailed, ArtifactFailed)) as absent:
            render(tree, Request(path=path.replace("etc", "no-such-folder")))

    assert not [each for each in touched if "etc" in str(each[1][0])]
    assert str(there.value).replace("etc", "no-such-folder") == str(absent.value)


def alias_bomb() -> str:
    more = (f"b{n}: &b{n} [{', '.join([f'*b{n - 1}'] * 10)}]\n" for n in range(1, 9))
    return dump(config("a")) + "b0: &b0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(more)


LISTED = "resources: [a.yaml]"
HOSTILE = {
    "itself": ("cycle detected", {"app/kustomization.yaml": "resources: [../app]"}),
    "a cycle": (
        "cycle detected",
        {
            "app/kustomization.yaml": "resources: [../b]",
            "b/kustomization.yaml": "resources: [../app]",
        },
    ),
    "a cycle of components": (
        "cycle detected",
        {
            "app/kustomization.yaml": "components: [../b]",
            "b/kustomization.yaml": COMPONENT + "components: [../c]",
            "c/kustomization.yaml": COMPONENT + "components: [../b]",
        },
    ),
    "a chain": (
        "kustomizations are nested deeper than 100",
        {
            "app/kustomization.yaml": "resources: [../0]",
            **{f"{n}/kustomization.yaml": f"resources: [../{n + 1}]" for n in range(120)},
            "120/kustomization.yaml": "namePrefix: x",
        },
    ),
    "a fan-out": (
        "more than 10,000 kustomizations are built",
        {
            "app/kustomization.yaml": "components: [../0]",
            **{
                f"{n}/kustomization.yaml": COMPONENT + f"components: [{f'../{n + 1}, ' * 10}]"
                for n in range(5)
            },
            "5/kustomization.yaml": COMPONENT + "namePrefix: x",
        },
    ),
    "aliases": (
        "more than 100000 nodes after aliases are expanded",
        {"app/kustomization.yaml": LISTED, "app/a.yaml": alias_bomb()},
    ),
    "nesting": (
        "nested deeper than 100",
        {"app/kustomization.yaml": LISTED, "app/a.yaml": "a: " + "[" * 5_000 + "]" * 5_000},
    ),
    "nested JSON": (
        "nested deeper than 100",
        {"app/kustomization.yaml": LISTED, "app/a.yaml": '{"a":' * 5_000 + "1" + "}" * 5_000},
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_cve_2022_24878_a_crafted_kustomization_ends(name: str) -> None:
    """And CVE-2022-31016, CVE-2024-29893, CVE-2024-27454: everything decoded has its bounds."""
    bound, files = HOSTILE[name]
    tree = MemoryTree({path: text.encode() for path, text in files.items()})

    with pytest.raises(BuildFailed, match=bound):  # by its own bound, not by luck
        render(tree, Request(path="app"))


BOMBS = {
    "aliases": (alias_bomb(), "document contains excessive aliasing"),
    "nesting": ("a: " + "[" * 5_000 + "]" * 5_000, "nested more than 100 levels deep"),
    "nested JSON": ('{"a":' * 5_000 + "1" + "}" * 5_000, "nested more than 100 levels deep"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_cve_2022_24878_a_crafted_manifest_ends(name: str) -> None:
    text, bound = BOMBS[name]

    with pytest.raises(ManifestError, match=bound):
        parse(text.encode(), "a.yaml")


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        (" + ".join(["1"] * 20_000) + " == 1", "at most 8192"),
        ("self" + ".a" * 50_000 + " == 1", "at most 8192"),
        ("+".join(["1"] * 200) + " == 1", "more than 100 operations build on each other"),
        ("(" * 500 + "1" + ")" * 500 + " == 1", "nested more than 32 deep"),
        (
            "[1,2,3,4,5,6,7,8,9].map(a, [1,2,3,4,5,6,7,8,9].map(b, [1,2,3,4,5,6,7,8,9].map(c, "
            "[1,2,3,4,5,6,7,8,9].map(d, [1,2,3,4,5,6,7,8,9].map(e, a))))).size() == 1",
            "50000 steps",
        ),
    ],
    ids=["terms", "selections", "a chain", "brackets", "nested maps"],
)
def test_cve_2024_32476_a_hostile_expression_ends(text: str, bound: str) -> None:
    with pytest.raises(CelError, match=bound):
        parsed(text).is_true({"a": {}})


@pytest.mark.parametrize("field", ["interval", "timeout", "retryInterval"])
async def test_cve_2022_39272_a_duration_that_is_none_stops_nobody_else(field: str) -> None:
    shop = Workshop()
    shop.source("main@sha1:1", a=config("a"))
    odd = Ref(KUSTOMIZE_GROUP, "Kustomization", "flux", "odd")
    shop.kustomization(odd, **{field: "1 fortnight"})
    shop.kustomization()

    await shop.run(odd)
    await shop.run()

    assert shop.said("Stalled", odd).startswith("True Failed: ")
    assert shop.said().startswith("True ReconciliationSucceeded")


@pytest.mark.parametrize(
    "patch",
    [
        {"patch": f"- {{op: test, path: /data/a, value: {CANARY}}}", "target": {"kind": "Secret"}},
        {
            "patch": f"- {{op: replace, path: /data/a/b/c, value: {CANARY}}}",
            "target": {"kind": "Secret"},
        },
        {"patch": "- {op: nonsense, path: /data/a}", "target": {"kind": "Secret"}},
    ],
)
def test_cve_2025_23216_a_patch_that_fails_does_not_show_the_secret(patch: Any) -> None:
    value = base64.b64encode(CANARY.encode()).decode()
    tree = MemoryTree(
        {
            "app/kustomization.yaml": dump({"resources": ["s.yaml"], "patches": [patch]}).encode(),
            "app/s.yaml": dump(made("Secret", "s", data={"a": value})).encode(),
        }
    )

    with pytest.raises(BuildFailed) as failed:
        render(tree, Request(path="app"))

    assert value not in str(failed.value)
    assert CANARY not in str(failed.value)


async def test_cve_2021_41254_a_builder_is_started_with_nothing_but_numbers() -> None:
    hostile = "$(touch x); `touch x`"
    tree = MemoryTree({f"{hostile}/a.yaml": dump(config("a", run=hostile)).encode()})

    with audited(*STARTS) as started:
        async with open_builders(Settings()) as builders:
            await builders.build(tree, Request(path=hostile), Priority.INTERVAL, tenant=hostile)

    command, *others = [list(map(str, arguments[1])) for _, arguments in started]
    assert others == []
    assert command[:4] == [sys.executable, "-P", "-m", "engine.reconcile.builder_program"]
    assert [word for word in command[4:] if not word.replace(".", "", 1).isdecimal()] == []


REFERENCES: dict[str, dict[str, Any]] = {
    "variables": {"postBuild": {"substituteFrom": [{"kind": "Secret", "name": "theirs"}]}},
    "ConfigMaps": {"postBuild": {"substituteFrom": [{"kind": "ConfigMap", "name": "theirs"}]}},
    "decryption": {"decryption": {"provider": "sops", "secretRef": {"name": "theirs"}}},
    "cluster": {"kubeConfig": {"secretRef": {"name": "theirs"}}},
    "identity": {"kubeConfig": {"configMapRef": {"name": "theirs"}}},
}


@pytest.mark.parametrize("name", REFERENCES)
async def test_cve_2026_44935_no_reference_reads_another_namespace(name: str) -> None:
    """Though it says which: here no API server has taken the field away before."""
    shop = Workshop()
    for kind in ("Secret", "ConfigMap"):
        value = base64.b64encode(CANARY.encode()).decode() if kind == "Secret" else CANARY
        shop.client.put(made(kind, "theirs", "other", data={"value": value, "a": value}))
    shop.source("main@sha1:1", a=config("a", x="${value}"))
    shop.kustomization(**elsewhere(REFERENCES[name]))

    await shop.run()

    assert shop.said().startswith("False ")
    assert "not found" in shop.said() or "there is none" in shop.said()
    assert CANARY not in shop.said() + "\n".join(shop.told())


def elsewhere(spec: Any) -> Any:
    """The same with a namespace in what has a name."""
    if isinstance(spec, list):
        return [elsewhere(item) for item in spec]
    if not isinstance(spec, dict):
        return spec
    more = {"namespace": "other"} if "name" in spec else {}
    return {key: elsewhere(value) for key, value in spec.items()} | more


LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@pytest.mark.parametrize("where", ["data", "annotation"])
async def test_cve_2026_42880_drift_of_a_secret_shows_none_of_its_values(where: str) -> None:
    """And CVE-2026-45737, the copy of the data in an annotation."""
    shop, value = Workshop(), base64.b64encode(CANARY.encode()).decode()
    stored = made("Secret", "s", "flux", data={"a": base64.b64encode(b"right").decode()})
    shop.source("main@sha1:1", s=stored)
    shop.kustomization(APP)
    await shop.run()
    shop.told()
    ref = Ref("", "Secret", "flux", "s")
    shop.client.put(edited(shop.client.objects[ref], where, value))

    await shop.run(reasons=("drift",))

    told = "\n".join(shop.told())
    assert "drift of Secret/flux/s corrected" in told
    assert value not in told
    assert CANARY not in told


def edited(live: Object, where: str, value: str) -> dict[str, Any]:
    metadata = dict(live["metadata"])
    if where == "annotation":
        copy = dump({"data": {"a": value}})
        metadata["annotations"] = {LAST_APPLIED: copy, "note": copy}
    return {**live, "metadata": metadata, "data": {"a": value}}


async def test_cve_2024_31216_a_token_in_a_url_is_in_no_message() -> None:
    shop = Workshop()
    token = "sv=2024&sig=CanaryOfSixteen"
    url = f"https://blob.example/base.yaml?{token}"
    files = {"app/kustomization.yaml": dump({"resources": [url]}).encode()}
    shop.source("main@sha1:1")
    artifact = shop.engine.artifacts.get(
        Ref("source.toolkit.fluxcd.io", "GitRepository", "flux", "fleet")
    )
    assert artifact is not None
    shop.engine.artifacts.put(
        Ref("source.toolkit.fluxcd.io", "GitRepository", "flux", "fleet"),
        type(artifact)(artifact.revision, artifact.digest, MemoryTree(files)),
    )
    shop.kustomization()

    await shop.run()

    assert shop.said().startswith("False BuildFailed")
    assert "CanaryOfSixteen" not in shop.said() + "\n".join(shop.told())
