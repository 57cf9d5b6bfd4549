"""What went wrong elsewhere where texts and files were read: further rows of users.md 3b."""

from pathlib import Path

import pytest

from engine.api import KINDS
from engine.api.crd import definition
from engine.errors import BuildFailed
from engine.objects.manifests import dump, parse
from engine.render import Request, render
from engine.source.tree import MemoryTree
from tests.support.audit import STARTS, audited
from tests.support.build import config, made

NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")
LOOKUP = '{{ (lookup "v1" "Secret" "kube-system" "x").data }}'
TAGS = {
    "a call": "!!python/object/apply:os.system ['touch lockstep-was-here']",
    "a name": "!!python/name:os.system",
    "a module": "!!python/module:os",
    "an object": "!!python/object/new:subprocess.Popen [['touch', 'lockstep-was-here']]",
}


def test_cve_2022_36035_what_is_installed_comes_from_the_program_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program had put its manifests where the command looked for its own."""
    wanted = {name: definition(kind) for name, kind in KINDS.items()}
    for folder in ("helm/crds", "crds", "manifests", "."):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "kustomizations.yaml").write_text("kind: Evil")
    monkeypatch.chdir(tmp_path)
    for name in ("TMPDIR", "HOME", "XDG_CACHE_HOME", "PYTHONPATH"):
        monkeypatch.setenv(name, str(tmp_path))

    with audited("open", "os.listdir", "os.scandir") as touched:
        found = {name: definition(kind) for name, kind in KINDS.items()}

    assert found == wanted
    assert [each for each in touched if str(tmp_path) in str(each)] == []


def test_cve_2026_41050_a_build_asks_nobody() -> None:
    """Fleet's templates could ask the cluster, as its administrator: ours have no way to."""
    chart = {"name": "x", "repo": "http://127.0.0.1:1/charts", "releaseName": "x"}
    files = {
        "app/kustomization.yaml": {"resources": ["a.yaml", "b.yaml"]},
        "app/a.yaml": config("a", data={"run": LOOKUP}),
        "app/b.yaml": made("Secret", "s", data={"a": "YQ=="}),
        "chart/kustomization.yaml": {"helmCharts": [chart]},
    }
    tree = MemoryTree({path: dump(obj).encode() for path, obj in files.items()})

    with audited(*NETWORK, *STARTS) as asked:
        found = render(tree, Request(path="app")).objects
        with pytest.raises(BuildFailed, match="not supported"):
            render(tree, Request(path="chart"))

    assert asked == []
    assert found[0].obj["data"] == {"run": LOOKUP}


@pytest.mark.parametrize("name", TAGS)
def test_cve_2020_14343_a_tag_of_python_makes_no_object(name: str) -> None:
    """PyYAML ran what a document named."""
    text = dump(config("a")) + f"evil: {TAGS[name]}\n"
    tree = MemoryTree({"app/a.yaml": text.encode()})

    with audited(*STARTS, "import") as done:
        (document,) = parse(text.encode(), "a.yaml")
        (built,) = render(tree, Request(path="app")).objects

    for evil in (document.obj["evil"], built.obj["evil"]):
        assert "touch" in str(evil) or evil in ("", None)
    assert done == []
