"""Random fields of a kustomization; a function each, which may add files beside it."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from tests.support.fleet_configs import (
    Files,
    configurations,
    definitions,
    open_api,
    order,
    text,
)
from tests.support.fleet_objects import (
    IMAGES,
    KINDS,
    NAMES,
    VALUES,
    World,
    container,
    labels,
    obj,
)

Field = Callable[[World, Files], Any]


def target(random: World) -> dict[str, str]:
    """A selector that often finds something."""
    version, kind, name = random.some()
    group, _, plain = version.rpartition("/")
    entries = {
        "kind": kind,
        "name": random.choice((name, name, "w.*", ".*")),
        "group": group,
        "version": plain,
        "labelSelector": random.choice(("app=a", "app", "!tier", "app in (a,b)", "team!=b")),
        "annotationSelector": random.choice(("note", "note=a")),
        "namespace": random.choice(("shop", "default")),
    }
    chances = (0.9, 0.4, 0.15, 0.15, 0.2, 0.05, 0.1)
    return {
        key: value
        for (key, value), chance in zip(entries.items(), chances, strict=True)
        if random.random() < chance
    }


def operations(random: World) -> list[dict[str, Any]]:
    """A JSON 6902 patch."""
    paths = (
        *("/metadata/labels/app", "/metadata/annotations/x", "/metadata/name", "/spec/replicas"),
        *("/spec/template/spec/containers/0/image", "/spec/template/spec/containers/-"),
        *("/spec/parts/0", "/data/a", "/spec/rules/0/host", "/metadata/annotations/a~1b"),
    )
    found = []
    for _ in range(random.randint(1, 2)):
        operation: dict[str, Any] = {"op": "add", "path": "/metadata/annotations/x"}
        if random.random() < 0.2:
            operation["op"] = random.choice(("add", "replace", "remove", "test"))
            operation["path"] = random.choice(paths)
        if operation["op"] != "remove":
            operation["value"] = random.choice(("x", 3, {"a": "b"}, None))
        found.append(operation)
    return found


def merge(random: World) -> dict[str, Any]:
    """A strategic merge patch: an object with less in it, or with directives."""
    patch = obj(random)
    random.made.pop()
    version, kind, name = random.some()
    patch |= {"apiVersion": version, "kind": kind, "metadata": {**patch["metadata"], "name": name}}
    if random.random() < 0.9:
        patch["metadata"].pop("namespace", None)
    patch = (
        {key: patch[key] for key in ("apiVersion", "kind", "metadata")}
        | KINDS[version, kind](random)
        if kind != "Pod"
        else patch
    )
    spec = patch.get("spec")
    chance = random.random()
    if chance < 0.1:
        return {key: patch[key] for key in ("apiVersion", "kind", "metadata")} | {
            "$patch": random.choice(("delete", "replace", "merge"))
        }
    if chance < 0.3 and isinstance(spec, dict):
        spec[random.choice(tuple(spec))] = None
    elif chance < 0.5 and "template" in patch.get("spec", {}):
        listed = [container(random), {"name": "side", "$patch": "delete"}]
        if random.random() < 0.3:
            listed.append({"$patch": random.choice(("replace", "merge"))})
        patch["spec"] = {"template": {"spec": {"containers": listed}}}
    elif chance < 0.6 and isinstance(spec, dict):
        spec["$patch"] = random.choice(("replace", "delete", "merge"))
    return patch


def patches(random: World, files: Files) -> Any:
    found = []
    for index in range(random.randint(1, 2)):
        by_target = random.random() < 0.5
        content = text(operations(random) if by_target else merge(random))
        entry: dict[str, Any] = {}
        if random.random() < 0.5:
            files[f"patch{index}.yaml"] = content
            entry["path"] = f"patch{index}.yaml"
        else:
            entry["patch"] = content
        if by_target or random.random() < 0.5:
            entry["target"] = target(random)
        if random.random() < 0.1:
            entry["options"] = {"allowNameChange": True, "allowKindChange": random.random() < 0.5}
        found.append(entry)
    return found


def patches_strategic(random: World, files: Files) -> Any:
    if random.random() < 0.5:
        return [text(merge(random))]
    files["merge.yaml"] = "---\n".join(text(merge(random)) for _ in range(random.randint(1, 2)))
    return ["merge.yaml"]


def patches_json(random: World, files: Files) -> Any:
    version, kind, name = random.some()
    group, _, plain = version.rpartition("/")
    exact = {"group": group, "version": plain, "kind": kind, "name": name}
    files["operations.json"] = json.dumps(operations(random))
    return [{"target": exact, "path": "operations.json"}]


def generator(random: World, files: Files, kind: str = "ConfigMap") -> Any:
    files["file.txt"] = random.choice(("one\ntwo\n", "", "a=b", "é\n"))
    files["some.env"] = random.choice(("A=1\n# no\nB=x=y\n", "C=\n", "\n", "A=1\r\n"))
    found = []
    for _ in range(random.randint(1, 2)):
        random.count += 1
        name = f"{random.choice(NAMES)}-{random.count}"
        made: dict[str, Any] = {"name": name}
        sources = {
            "literals": random.choice((["a=1"], ["a='x'", 'b="y"'], ["c=d=e", "url=http://x"])),
            "files": random.choice((["file.txt"], ["k=file.txt"], ["file.txt", "other=file.txt"])),
            "envs": ["some.env"],
            "behavior": random.choice(("create", "merge", "replace")),
            "namespace": random.choice(("shop", "default")),
            "options": {"disableNameSuffixHash": True, "labels": labels(random)},
        }
        chances = (0.7, 0.3, 0.2, 0.03, 0.1, 0.2)
        for (key, value), chance in zip(sources.items(), chances, strict=True):
            if random.random() < chance:
                made[key] = value
        same = [other for version, other_kind, other in random.made if other_kind == kind]
        if same and random.random() < 0.15:
            made |= {"name": random.choice(same), "behavior": random.choice(("merge", "replace"))}
        else:
            random.made.append(("v1", kind, name))
        found.append(made)
    return found


def secrets(random: World, files: Files) -> Any:
    found = generator(random, files, "Secret")
    if random.random() < 0.3:
        found[0]["type"] = "kubernetes.io/tls"
    return found


def generator_options(random: World, _files: Files) -> Any:
    return {
        "disableNameSuffixHash": random.random() < 0.5,
        "labels": labels(random),
        "annotations": {"made": "yes"},
        "immutable": random.random() < 0.3,
    }


FIELD_PATHS = (
    *("metadata.name", "metadata.namespace", "metadata.labels.app", "metadata.annotations.[a.b/c]"),
    *("spec.replicas", "spec.template.spec.containers.0.image", "data.a", "spec.parts.*.size"),
    *("spec.template.spec.containers.[name=main].image", "spec.template.spec.containers.*.image"),
    *("spec.parts.[name=x].size", "spec.rules.0.host", "spec.new.field", "spec"),
)


def replacements(random: World, files: Files) -> Any:
    found = []
    for _ in range(random.randint(1, 2)):
        _, kind, name = random.some()
        source = {"kind": kind, "name": name}
        if random.random() < 0.25:
            source["fieldPath"] = random.choice(FIELD_PATHS)
        into: dict[str, Any] = {"select": target(random) or {"kind": "Deployment"}}
        into["fieldPaths"] = random.sample(FIELD_PATHS, random.randint(1, 2))
        if random.random() < 0.3:
            into["reject"] = [target(random)]
        chance = random.random()
        if chance < 0.6:
            into["options"] = {"create": True}
        elif chance < 0.7:
            into["options"] = {"delimiter": random.choice(":/"), "index": random.randint(-1, 2)}
        found.append({"source": source, "targets": [into]})
    if random.random() < 0.3:
        files["replacements.yaml"] = text(found)
        return [{"path": "replacements.yaml"}]
    return found


def images(random: World, _files: Files) -> Any:
    changes = {
        "newName": "new/name",
        "newTag": random.choice(("9", "1.0", "v")),
        "digest": "sha256:9",
    }
    kept = {key: value for key, value in changes.items() if random.random() < 0.5}
    return [{"name": random.choice(IMAGES).split("@")[0].split(":1")[0], **kept}]


def scaled(random: World) -> str:
    """The name of something that can be scaled, if there is one."""
    kinds = ("Deployment", "StatefulSet")
    names = [name for _, kind, name in random.made if kind in kinds]
    return random.choice(names or (NAMES if random.random() < 0.05 else ("",)))


def replicas(random: World, _files: Files) -> Any:
    name = scaled(random)
    return [{"name": name, "count": random.randint(0, 9)}] if name else []


def label_entries(random: World, _files: Files) -> Any:
    entry: dict[str, Any] = {"pairs": labels(random)}
    for key, chance in (("includeSelectors", 0.4), ("includeTemplates", 0.4)):
        if random.random() < chance:
            entry[key] = True
    if random.random() < 0.2:
        entry["fields"] = [{"path": "spec/own/labels", "create": True, "kind": "Widget"}]
    return [entry]


def variables(random: World, _files: Files) -> Any:
    version, kind, name = random.some()
    reference = {"apiVersion": version, "kind": kind, "name": name}
    made: dict[str, Any] = {"name": random.choice(("VAR", "OTHER")), "objref": reference}
    if random.random() < 0.2:
        made["fieldref"] = {"fieldpath": random.choice(FIELD_PATHS[:7])}
    return [made]


def transformers(random: World, files: Files) -> Any:
    every = {"path": "metadata/labels", "create": True}
    configs: tuple[dict[str, Any], ...] = (
        {"kind": "LabelTransformer", "labels": labels(random), "fieldSpecs": [every]},
        {"kind": "AnnotationsTransformer", "annotations": {"t": "1"}},
        {"kind": "PrefixTransformer", "prefix": "t-", "fieldSpecs": [{"path": "metadata/name"}]},
        {"kind": "SuffixTransformer", "suffix": "-t", "fieldSpecs": [{"path": "metadata/name"}]},
        {
            "kind": "PrefixSuffixTransformer",
            "prefix": "ps-",
            "fieldSpecs": [{"path": "metadata/name"}],
        },
        {
            "kind": "NamespaceTransformer",
            "unsetOnly": random.random() < 0.5,
            "setRoleBindingSubjects": random.choice(("none", "defaultOnly", "allServiceAccounts")),
            "fieldSpecs": [{"path": "metadata/namespace", "create": True}],
        },
        {
            "kind": "ImageTagTransformer",
            "imageTag": {"name": "nginx", "newTag": "t"},
            "fieldSpecs": [{"path": "spec/template/spec/containers[]/image"}],
        },
        {
            "kind": "ReplicaCountTransformer",
            "replica": {"name": scaled(random), "count": 5},
            "fieldSpecs": [{"path": "spec/replicas", "create": True, "kind": "Deployment"}],
        },
        {"kind": "PatchTransformer", "patch": text(merge(random))},
        {"kind": "PatchTransformer", "patch": text(operations(random)), "target": target(random)},
        {"kind": "PatchStrategicMergeTransformer", "patches": text(merge(random))},
        {"kind": "ReplacementTransformer", "replacements": replacements(random, {})},
        {
            "kind": "ValueAddTransformer",
            "value": "added",
            "targets": [{"fieldPath": "metadata/labels/added"}],
        },
    )
    chosen = random.choice(configs)
    metadata = {"name": "transformer"}
    if chosen["kind"] == "NamespaceTransformer":
        metadata["namespace"] = random.choice(("shop", "late"))
    config = {"apiVersion": "builtin", **chosen, "metadata": metadata}
    if random.random() < 0.5:
        return [text(config)]
    files["transformer.yaml"] = text(config)
    return ["transformer.yaml"]


def generators(random: World, files: Files) -> Any:
    kind = random.choice(("ConfigMapGenerator", "SecretGenerator"))
    config = {"apiVersion": "builtin", "kind": kind, "metadata": {"name": "ignored"}}
    files["generator.yaml"] = text(config | {"name": "own", "literals": ["a=b"]})
    return ["generator.yaml"]


def prefix(random: World, _files: Files) -> Any:
    return random.choice(("p-", "dev-", "x"))


FIELDS: Mapping[str, tuple[float, Field]] = {
    "namePrefix": (0.3, prefix),
    "nameSuffix": (0.2, prefix),
    "namespace": (0.25, lambda random, _: random.choice(("shop", "other"))),
    "commonLabels": (0.15, lambda random, _: labels(random)),
    "labels": (0.15, label_entries),
    "commonAnnotations": (0.15, lambda random, _: {"note": random.choice(VALUES)}),
    "patches": (0.25, patches),
    "patchesStrategicMerge": (0.12, patches_strategic),
    "patchesJson6902": (0.08, patches_json),
    "configMapGenerator": (0.25, generator),
    "secretGenerator": (0.15, secrets),
    "generatorOptions": (0.1, generator_options),
    "replacements": (0.2, replacements),
    "images": (0.15, images),
    "replicas": (0.1, replicas),
    "vars": (0.1, variables),
    "configurations": (0.12, configurations),
    "openapi": (0.03, open_api),
    "crds": (0.04, definitions),
    "sortOptions": (0.05, order),
    "transformers": (0.12, transformers),
    "generators": (0.05, generators),
    "buildMetadata": (
        0.05,
        lambda random, _: random.sample(
            ("originAnnotations", "transformerAnnotations", "managedByLabel"), 2
        ),
    ),
}
"""How often a kustomization has a field, and what makes it."""


def fields(random: World, files: Files) -> dict[str, Any]:
    """Some fields of a kustomization; the files that they name are added."""
    return {
        name: make(random, files)
        for name, (chance, make) in FIELDS.items()
        if random.random() < chance
    }
