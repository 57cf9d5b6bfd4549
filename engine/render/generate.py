"""The kustomization that a Flux Kustomization builds: what the folder has, plus what the spec says.

Source: fluxcd/pkg kustomize/kustomize_generator.go.
"""

import difflib
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import msgspec

from engine.api.applier import CommonMetadata, Image, Patch
from engine.api.kustomize import Kustomization as FluxKustomization
from engine.api.paths import clean_path
from engine.errors import ArtifactFailed, BuildFailed
from engine.render.decrypt_keys import Decrypting
from engine.render.kustomize.config.kustomization import API_VERSION, FILE_NAMES, Kustomization
from engine.render.kustomize.declared import Declared
from engine.render.kustomize.errors import MAX_PROBLEMS, nearest
from engine.render.kustomize.model.document import MalformedYaml
from engine.render.kustomize.model.reading import read_one
from engine.render.kustomize.model.scalars import described
from engine.render.kustomize.places import field_places
from engine.source.tree import Form, Tree

_REMOTE = ("git::", "gh:", "ssh://", "https://", "http://", "git@", "github.com:", "github.com/")
_PLACEHOLDER = "_placeholder"
"""A namespace that keeps a kustomization without resources from being empty, which is an error."""
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""What the API server takes for the name of a namespace (RFC 1123)."""
_DEPTH = 100
"""Folders inside of each other that are searched for manifests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to render, as `spec` of a Kustomization says it.

    variables: by name, all sources merged, newlines removed; None: `postBuild` is not set.
    looked_in: where they come from, for messages.
    secret_variables: names of those whose values nobody must see.  seal: what only those know who
    may see them; the digest of a build that uses one is keyed with it.
    always: substitute even if there are no variables (`substituteStrategy: Always`).
    strict: a variable that is not set and has no default is an error.
    decryption: None: what is encrypted stays so.
    """

    path: str = ""
    target_namespace: str = ""
    name_prefix: str = ""
    name_suffix: str = ""
    patches: tuple[Patch, ...] = ()
    images: tuple[Image, ...] = ()
    components: tuple[str, ...] = ()
    ignore_missing_components: bool = False
    build_metadata: tuple[str, ...] = ()
    common_metadata: CommonMetadata = field(default_factory=CommonMetadata)
    variables: Mapping[str, str] | None = field(default=None, repr=False)  # may be secret
    looked_in: tuple[str, ...] = ()
    secret_variables: frozenset[str] = frozenset()
    seal: bytes = field(default=b"", repr=False)
    always: bool = False
    strict: bool = True
    no_remote_bases: bool = False
    decryption: Decrypting | None = None

    @classmethod
    def of(
        cls,
        ks: FluxKustomization,
        variables: Mapping[str, str] | None = None,
        *,
        looked_in: tuple[str, ...] = (),
        strict: bool = True,
        no_remote_bases: bool = False,
    ) -> Self:
        """The request of a Kustomization whose variables have been read."""
        spec = ks.spec
        post_build = spec.post_build
        return cls(
            path=spec.path,
            target_namespace=spec.target_namespace,
            name_prefix=spec.name_prefix,
            name_suffix=spec.name_suffix,
            patches=spec.patches,
            images=spec.images,
            components=spec.components,
            ignore_missing_components=spec.ignore_missing_components,
            build_metadata=spec.build_metadata,
            common_metadata=spec.common_metadata or CommonMetadata(),
            variables=variables if post_build else None,
            looked_in=looked_in,
            always=post_build is not None and post_build.substitute_strategy == "Always",
            strict=strict,
            no_remote_bases=no_remote_bases,
        )


def folder_of(tree: Tree, path: str) -> str:
    """The folder that a spec's path names.  Raises ArtifactFailed if there is none.

    `..` never leads above the root, as with Flux's secure join.
    """
    folder = clean_path(path)
    entry = tree.entry(folder)
    if entry is None or entry.form is not Form.FOLDER:
        problem = "no such folder" if entry is None else "not a folder"
        raise ArtifactFailed(
            f"kustomization path not found: {folder!r}: {problem}{_hint(tree, folder.split('/'))}"
        )
    return folder


def _hint(tree: Tree, parts: list[str]) -> str:
    """The nearest name where the path first goes wrong."""
    for depth, name in enumerate(parts):
        parent = "/".join(parts[:depth])
        entry = tree.entry(parent)
        if entry is None or entry.form is not Form.FOLDER:
            return ""
        names = list(tree.names(parent))
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            return f"; there is {posixpath.join(parent, near[0])!r}" if near else ""
    return ""


_GIVES_OBJECTS = (
    "resources",
    "bases",
    "components",
    "generators",
    "configMapGenerator",
    "secretGenerator",
    "helmCharts",
)
"""Fields without which a kustomization builds nothing."""
_FIELDS = frozenset(field.encode_name for field in msgspec.structs.fields(Kustomization))
"""All that a kustomization may have."""


def kustomization_of(tree: Tree, folder: str, request: Request) -> Declared:
    """The kustomization to build in `folder`, as it would stand in the file.

    Raises BuildFailed if the file there is none, or what the spec adds cannot be right.
    """
    _check_namespace(request.target_namespace)
    name, content = _existing(tree, folder)
    if not name:
        content = _generated(tree, folder)
    elif not content.get("resources"):
        content["buildMetadata"] = ["originAnnotations"]  # or else it may count as empty
    given: dict[str, str] = {}
    for field_name, spec_name, value in (
        ("namespace", "targetNamespace", request.target_namespace),
        ("namePrefix", "namePrefix", request.name_prefix),
        ("nameSuffix", "nameSuffix", request.name_suffix),
        ("buildMetadata", "buildMetadata", list(request.build_metadata)),
    ):
        if value:
            content[field_name], given[field_name] = value, spec_name
    patches = [msgspec.to_builtins(patch) for patch in request.patches]
    components = list(_components(tree, folder, request))
    _extend(content, "patches", patches)
    _extend(content, "components", components)
    for image in request.images:
        _set_image(content, image)
    added = {"patches": len(patches), "components": len(components)}
    return Declared(content, name or FILE_NAMES[0], is_generated=not name, added=added, given=given)


def _check_namespace(namespace: str) -> None:
    """Raises BuildFailed for what can be no namespace: nothing could be applied to it."""
    if not namespace or _LABEL.fullmatch(namespace):
        return
    near = re.sub("[^a-z0-9]+", "-", namespace.lower())[:63].strip("-")
    raise BuildFailed(
        f"kustomize build failed: spec.targetNamespace {namespace!r} cannot be the name of a "
        "namespace: lower-case letters, digits and '-' are allowed, at most 63, a letter or digit "
        "first and last" + (f"; {near!r} would be allowed" if near else "")
    )


def _existing(tree: Tree, folder: str) -> tuple[str, dict[str, Any]]:
    """(the file's name, its known fields), "" if there is none.

    What kustomize would refuse as unknown, Flux leaves out here.
    """
    for name in FILE_NAMES:
        file = posixpath.join(folder, name)
        entry = tree.entry(file)
        if entry is None or entry.form is not Form.FILE:
            continue
        try:
            content = read_one(tree.read(file), file)
        except MalformedYaml as error:
            raise BuildFailed(f"kustomize build failed: {error}") from error
        if content is not None and not isinstance(content, dict):
            raise BuildFailed(
                f"kustomize build failed: {file}: a kustomization must be a map of fields, "
                f"such as `resources`, not {described(content)}"
            )
        return name, _known(content or {}, tree.read(file), file)
    return "", {}


def _known(content: dict[str, Any], text: bytes, file: str) -> dict[str, Any]:
    """The fields that kustomize knows.

    Raises BuildFailed if nothing that gives an object is among them but an unknown field is: a
    misspelt `resources` would otherwise mean that everything is to be pruned.
    """
    known = {key: value for key, value in content.items() if key in _FIELDS}
    unknown = [key for key in content if key not in _FIELDS]
    if unknown and not any(known.get(key) for key in _GIVES_OBJECTS):
        places = field_places(text, file)
        hints = (nearest(key, sorted(_FIELDS), "; did you mean `{}`?") for key in unknown)
        problems = (
            f"{file}{places.get(key, '')}: {key}: unknown field{hint}"
            for key, hint in zip(unknown[:MAX_PROBLEMS], hints, strict=False)
        )
        raise BuildFailed("kustomize build failed: " + "\n".join(problems))
    return known


def _generated(tree: Tree, folder: str) -> dict[str, Any]:
    content: dict[str, Any] = {"apiVersion": API_VERSION, "kind": "Kustomization"}
    resources = list(_manifests(tree, folder, ".", 0))
    if resources:
        return {**content, "resources": resources}
    return {**content, "namespace": _PLACEHOLDER}


def _manifests(tree: Tree, folder: str, relative: str, depth: int) -> Iterator[str]:
    """Every YAML file below, and every folder that has a kustomization of its own.

    Raises BuildFailed if folders are nested too deep.
    """
    if depth > _DEPTH:
        raise BuildFailed(
            f"kustomize build failed: folders are nested deeper than {_DEPTH}: {folder!r}"
        )
    for name, entry in tree.names(folder).items():
        path, below = posixpath.join(folder, name), f"{relative}/{name}"
        if entry.form is Form.FILE:
            if name.endswith((".yaml", ".yml")):
                yield below
        elif _has_kustomization(tree, path):
            yield below
        else:
            yield from _manifests(tree, path, below, depth + 1)


def _has_kustomization(tree: Tree, folder: str) -> bool:
    names = tree.names(folder)
    return any(name in names and names[name].form is Form.FILE for name in FILE_NAMES)


def _components(tree: Tree, folder: str, request: Request) -> Iterator[str]:
    for component in request.components:
        if component.lower().removeprefix("file://").startswith("/") or any(
            component.lower().startswith(prefix) for prefix in _REMOTE
        ):
            raise BuildFailed(f"component path {component!r} must be local and relative")
        path = posixpath.normpath(posixpath.join(folder, component))
        is_there = tree.entry("" if path == "." else path) is not None
        if is_there or not request.ignore_missing_components:
            yield component


def _extend(content: dict[str, Any], key: str, items: list[Any]) -> None:
    """Add to the list; what is none stays as it is, for decoding to complain of."""
    old = content.get(key) or []
    if items and isinstance(old, list):
        content[key] = [*old, *items]


def _set_image(content: dict[str, Any], image: Image) -> None:
    """Tag and digest are replaced together: a stale digest would win over a new tag.

    What is no list of images stays as it is, for decoding to complain of.
    """
    images = content.get("images") or []
    if not isinstance(images, list) or not all(isinstance(item, dict) for item in images):
        return
    images = list(images)
    names = [item.get("name") for item in images]
    place = names.index(image.name) if image.name in names else len(images)
    old = images[place] if place < len(images) else {"name": image.name}
    merged = {**old, **({"newName": image.new_name} if image.new_name else {})}
    if image.new_tag or image.digest:
        merged = {**merged, "newTag": image.new_tag, "digest": image.digest}
    images[place : place + 1] = [merged]
    content["images"] = images
