"""Which files stand for a source: this repository, or a folder that somebody named."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from engine.api.kustomize import Kustomization
from engine.api.meta import SOURCE_GROUP
from engine.api.paths import clean_path
from engine.objects.ref import Object, Ref
from engine.source.tree import Tree

_SCHEME: Final = re.compile(r"[a-z+]+://")


@dataclass(frozen=True, slots=True)
class Checkout:
    """What there is on disk.

    tree: of this repository.  remotes: URLs that it is fetched from.  others: {`Kind/ns/name`:
    the tree of another source}.
    """

    tree: Tree
    remotes: tuple[str, ...] = ()
    others: Mapping[str, Tree] = field(default_factory=dict)


def source_of(ks: Kustomization) -> Ref:
    """The source of a Kustomization."""
    wanted = ks.spec.source_ref
    namespace = wanted.namespace or ks.metadata.namespace
    return Ref(SOURCE_GROUP, wanted.kind, namespace, wanted.name)


def tree_of(
    ks: Kustomization, source: Object | None, checkout: Checkout
) -> tuple[Tree | None, str]:
    """(the files of a Kustomization, "") or (None, why they are not here).

    source: its object, None if the repository holds none.
    """
    ref = source_of(ks)
    key = f"{ref.kind}/{ref.namespace}/{ref.name}"
    named = checkout.others.get(key)
    if named is not None:
        return named, ""
    hint = f"give its files with --local-sources {key}=FOLDER"
    if ref.kind != "GitRepository":
        return None, f"{key} is not this repository; {hint}"
    if source is None:
        is_here = checkout.tree.entry(clean_path(ks.spec.path)) is not None
        return (checkout.tree, "") if is_here else (None, f"{key} is not known here; {hint}")
    spec = source.get("spec")
    url = str(spec.get("url", "")) if isinstance(spec, Mapping) else ""
    if not checkout.remotes or _same(url) in map(_same, checkout.remotes):
        return checkout.tree, ""
    return None, f"{key} is another repository ({_shown(url)}); {hint}"


def remotes_in(config: str) -> tuple[str, ...]:
    """The URLs of the remotes in the text of a `.git/config`."""
    return tuple(re.findall(r"^\s*url\s*=\s*(\S+)\s*$", config, re.MULTILINE))


def _same(url: str) -> str:
    """What is equal for the ways to write one repository: `host/owner/name`."""
    rest = _SCHEME.sub("", url.strip())
    rest = rest.rpartition("@")[2].replace(":", "/", 1)
    host, _, path = rest.partition("/")
    path = re.sub(r"^\d+/", "", path)  # a port
    return f"{host.lower()}/{path.strip('/').removesuffix('.git').lower()}"


def _shown(url: str) -> str:
    """The URL without a login."""
    return _SCHEME.sub("", url).rpartition("@")[2]
