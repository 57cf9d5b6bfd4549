"""ConfigMaps and Secrets made from literals, files and environment files.

Source: kustomize api/internal/generators, api/kv, api/resmap/reswrangler.go.
"""

import posixpath
from base64 import b64encode
from collections.abc import Callable, Iterable
from functools import partial
from itertools import chain
from typing import Any, TypeAlias

from engine.render.kustomize.config.kustomization import (
    Generator,
    GeneratorOptions,
    SecretGenerator,
)
from engine.render.kustomize.errors import KustomizeError, collected
from engine.render.kustomize.loader import Loader
from engine.render.kustomize.model.fields import fresh_key
from engine.render.kustomize.model.resmap import ResMap
from engine.render.kustomize.model.resource import Position, Resource
from engine.render.kustomize.model.rewriting import as_set
from engine.render.kustomize.model.scalars import text_of
from engine.render.kustomize.model.schemas import Schemas
from engine.render.kustomize.transform.nearby import near_resource
from engine.sops import Format, format_of

Read: TypeAlias = Callable[[str, Format], bytes]
"""The content of a file; decrypted, if it is in that format, where the build decrypts."""

_LINE = 70
"""kustomize breaks base64 text after so many characters."""


def generate(
    kind: str, generator: Generator, loader: Loader, schemas: Schemas, position: Position
) -> Resource:
    """The ConfigMap or Secret.  Raises KustomizeError."""
    if not generator.name:
        raise KustomizeError(f"a {kind} generator must have a name")
    metadata: dict[str, Any] = {"name": generator.name}
    if generator.namespace:
        metadata["namespace"] = generator.namespace
    obj: dict[str, Any] = {"apiVersion": "v1", "kind": kind, "metadata": metadata}
    # What becomes a ConfigMap stays encrypted, as in Flux: anybody may read those.
    pairs = _pairs(generator, loader.opened if kind == "Secret" else _as_it_is(loader))
    if kind == "Secret":
        wanted = generator.type if isinstance(generator, SecretGenerator) else ""
        obj["type"] = wanted or "Opaque"
        obj["data"] = {fresh_key(key): _base64(value) for key, value in pairs.items()}
    else:
        for key, value in pairs.items():
            field, text = _text_or_base64(value)
            obj.setdefault(field, {})[fresh_key(key)] = text
    options = generator.options or GeneratorOptions()
    _apply_options(obj, options)
    return Resource(
        obj,
        position,
        schemas,
        behavior=generator.behavior or "unspecified",
        wants_hash=not options.disable_name_suffix_hash,
    )


def _as_it_is(loader: Loader) -> Read:
    return lambda path, _: loader.read(path)


def with_global_options(
    local: GeneratorOptions | None, all_: GeneratorOptions | None
) -> GeneratorOptions:
    """The options of one generator; its own labels and annotations win."""
    one = local or GeneratorOptions()
    if all_ is None:
        return one
    return GeneratorOptions(
        labels={**(all_.labels or {}), **(one.labels or {})},
        annotations={**(all_.annotations or {}), **(one.annotations or {})},
        disable_name_suffix_hash=all_.disable_name_suffix_hash or one.disable_name_suffix_hash,
        immutable=all_.immutable or one.immutable,
    )


def absorb(resources: ResMap, generated: Iterable[Resource]) -> None:
    """Add what was generated, or let it replace or extend what is there, as `behavior` says.

    Raises KustomizeError if the behavior does not fit what is there.
    """
    for resource in generated:
        matches = resources.with_id(resource.id)
        if len(matches) > 1:
            raise KustomizeError(f"found multiple objects that could accept merge of {resource.id}")
        if matches:
            _absorb_one(resources, matches[0], resource)
        elif resource.behavior in ("merge", "replace"):
            raise KustomizeError(
                f"id {resource.id} does not exist; cannot merge or replace ({resource.position})"
                + near_resource(resource.id, resources)
            )
        else:
            resources.append_all([resource])


def _absorb_one(resources: ResMap, old: Resource, new: Resource) -> None:
    if new.behavior not in ("merge", "replace"):
        raise KustomizeError(
            f"id {new.id} exists; can not use behavior: {new.behavior!r}, "
            f"behavior must be merge or replace ({new.position} and {old.position})"
        )
    if new.behavior == "merge":
        for field in ("data", "binaryData"):
            _merge_texts(new.obj, old.obj, field)
        new.origin = old.origin or new.origin
    take_identity(new, old)
    resources.replace(old, new)


def take_identity(new: Resource, old: Resource) -> None:
    """Make `new` the successor of `old`: its name, history, labels and annotations."""
    new.set_metadata("labels", _fresh({**old.labels, **new.labels}))
    new.set_metadata("annotations", _fresh({**old.annotations, **new.annotations}))
    new.set_metadata("name", old.name)
    new.set_metadata("namespace", old.namespace)
    new.history, new.prefixes, new.suffixes = old.history, old.prefixes, old.suffixes
    new.behavior, new.variables = old.behavior, old.variables
    new.transformations = old.transformations
    new.wants_hash = new.wants_hash and old.wants_hash


def _merge_texts(obj: dict[str, Any], old: dict[str, Any], field: str) -> None:
    merged = {
        key: as_set(text_of(value))
        for fields in (old.get(field), obj.get(field))
        for key, value in (fields.items() if isinstance(fields, dict) else ())
    }
    obj.pop(field, None)
    if merged:
        obj[field] = _fresh(merged)


def _fresh(texts: dict[str, str]) -> dict[str, str]:
    """With the keys as kustomize writes them where it makes a map anew."""
    return {fresh_key(key): text for key, text in texts.items()}


def _apply_options(obj: dict[str, Any], options: GeneratorOptions) -> None:
    for field, values in (("labels", options.labels), ("annotations", options.annotations)):
        if values:
            obj["metadata"][field] = dict(values)
    if options.immutable:
        obj["immutable"] = True


def _pairs(generator: Generator, read: Read) -> dict[str, bytes]:
    """The data by key.  Raises KustomizeError if a key comes twice."""
    envs = [*generator.envs, *([generator.env] if generator.env else [])]
    sources = collected(
        (
            *((("envs", i), partial(_environment, env, read)) for i, env in enumerate(envs)),
            *(
                (("literals", i), partial(_literal, source, generator.name))
                for i, source in enumerate(generator.literals)
            ),
            *(
                (("files", i), partial(_file, source, read))
                for i, source in enumerate(generator.files)
            ),
        )
    )
    pairs: dict[str, bytes] = {}
    for key, value in chain.from_iterable(sources):
        if key in pairs:
            raise KustomizeError(f"generator {generator.name!r} illegally repeats the key {key!r}")
        pairs[key] = value
    return pairs


def _file(source: str, read: Read) -> list[tuple[str, bytes]]:
    key, path = _file_source(source)
    return [(key, read(path, format_of(key)))]


def _literal(source: str, name: str) -> list[tuple[str, bytes]]:
    key, equals, value = source.partition("=")
    if not equals or not key:
        raise KustomizeError(f"invalid literal source of generator {name!r}, expected key=value")
    is_quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return [(key, (value[1:-1] if is_quoted else value).encode())]


def _file_source(source: str) -> tuple[str, str]:
    parts = source.split("=")
    if len(parts) == 1:
        return posixpath.basename(source.rstrip("/")), source
    if len(parts) > 2:
        raise KustomizeError(f"source {source!r}: key name or file path contains '='")
    key, path = parts
    if not key or not path:
        missing = "key name" if not key else "file path"
        raise KustomizeError(f"source {source!r}: missing {missing}")
    return key, path


def _environment(file: str, read: Read) -> list[tuple[str, bytes]]:
    pairs, form = [], format_of(file)
    content = read(file, Format.DOTENV if form is Format.BINARY else form)
    for number, raw in enumerate(content.split(b"\n"), 1):
        try:
            line = raw.removesuffix(b"\r").decode("utf-8-sig" if number == 1 else "utf-8").lstrip()
        except UnicodeDecodeError as error:
            raise KustomizeError(f"{file}:{number}: line has invalid UTF-8 bytes") from error
        if line and not line.startswith("#"):
            key, _, value = line.partition("=")
            if key:
                pairs.append((key, value.encode()))
    return pairs


def _text_or_base64(value: bytes) -> tuple[str, str]:
    try:
        return "data", as_set(value.decode())
    except UnicodeDecodeError:
        return "binaryData", _base64(value)


def _base64(value: bytes) -> str:
    text = b64encode(value).decode()
    if len(text) < _LINE:
        return text
    lines = [text[start : start + _LINE] for start in range(0, len(text), _LINE)]
    return "".join(line + "\n" for line in lines)
