"""Repositories on disk as people have them: clusters with Flux's own files, apps, bases."""

from collections.abc import Mapping
from pathlib import Path

from engine.source.author import commit_files, create_repository

SOURCE = """\
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: flux-system, namespace: flux-system}
spec: {interval: 1m, url: "ssh://git@git.example.org/acme/fleet"}
"""


def kustomization(name: str, path: str, more: str = "") -> str:
    """A manifest; more: further lines of its spec, indented by two."""
    return f"""\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: {name}, namespace: flux-system}}
spec:
  interval: 10m
  path: {path}
  prune: true
  sourceRef: {{kind: GitRepository, name: flux-system}}
{more}"""


def config_map(name: str, namespace: str = "apps", **data: str) -> str:
    values = "".join(f"  {key}: {value!r}\n" for key, value in data.items())
    head = f"metadata: {{name: {name}, namespace: {namespace}}}"
    return f"apiVersion: v1\nkind: ConfigMap\n{head}\ndata:\n{values}"


def two_clusters() -> dict[str, str]:
    """`clusters/prod` and `clusters/staging`, each with apps of a shared base."""
    files = {
        "infra/ns.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: apps}\n",
        "apps/base/c.yaml": config_map("web", region="${region}"),
        "apps/base/kustomization.yaml": "resources: [c.yaml]\n",
    }
    for cluster in ("prod", "staging"):
        folder = f"clusters/{cluster}"
        reference = "  postBuild: {substituteFrom: [{kind: ConfigMap, name: vars}]}\n"
        depends = "  dependsOn: [{name: infra}]\n"
        own = kustomization("flux-system", f"./{folder}")
        files |= {
            f"{folder}/flux-system/gotk-sync.yaml": f"{SOURCE}---\n{own}",
            f"{folder}/apps.yaml": kustomization("apps", f"./apps/{cluster}", depends + reference),
            f"{folder}/infra.yaml": kustomization("infra", "./infra"),
            f"{folder}/vars.yaml": config_map("vars", "flux-system", region=f"eu-{cluster}"),
            f"apps/{cluster}/kustomization.yaml": "resources: [../base]\n",
        }
    return files


def checkout(folder: Path, files: Mapping[str, str]) -> Path:
    """A work tree with these files, which nobody has committed."""
    (folder / ".git").mkdir(parents=True, exist_ok=True)
    url = "git@git.example.org:acme/fleet.git"
    (folder / ".git" / "config").write_text(f'[remote "origin"]\n\turl = {url}\n')
    write(folder, files)
    return folder


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def cloned(folder: Path, files: Mapping[str, str]) -> Path:
    """The same, committed to `main`."""
    create_repository(folder / ".git")
    commit_files(folder / ".git", {name: text.encode() for name, text in files.items()}, "first")
    write(folder, files)
    return folder
