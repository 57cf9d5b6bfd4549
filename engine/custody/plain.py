"""Secrets that stand in Git as everybody can read them.

Values that are only variables (`${NAME}`), empty, or encrypted files themselves are no secrets.
"""

import base64
import binascii
import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from engine.api.meta import KUSTOMIZE_GROUP
from engine.custody.flaws import Flaw, Severity, quoted
from engine.custody.survey import Survey, objects_in
from engine.objects.manifests import Document
from engine.sops import marked_format

_VARIABLES: Final = re.compile(r"(?:\$\{[^{}]*\}\s*)+\Z")
_SEALED: Final = re.compile(r"\s*ENC\[AES256_GCM,")
_SHOWN: Final = 3  # names of keys in a message
_HISTORY: Final = "; what was pushed stays in Git's history: change the value, too"
_GENERATED: Final = "kustomize.config.k8s.io"


def plain_secrets(survey: Survey) -> Iterator[Flaw]:
    """A flaw for each Secret and each generator with plain text."""
    for document, path, obj in objects_in(survey.documents):
        if obj.get("kind") == "Secret" and obj.get("apiVersion") == "v1":
            yield from _of_secret(document, path, obj, survey)
        elif _is_kustomization(document, obj):
            yield from _of_generators(document, obj, survey)


def _of_secret(
    document: Document, path: tuple[Any, ...], obj: Mapping[str, Any], survey: Survey
) -> Iterator[Flaw]:
    is_sealed = document.file in survey.encrypted and "sops" in (obj, document.obj)[bool(path)]
    for field in ("data", "stringData"):
        values = obj.get(field)
        if not isinstance(values, Mapping):
            continue
        plain = [str(key) for key, value in values.items() if _is_plain(value, field)]
        if plain:
            line = document.line_of((*path, field, plain[0]))
            yield _flaw(document.file, line, _title(obj), field, plain, is_sealed=is_sealed)


def _flaw(
    file: str, line: int, title: str, field: str, names: list[str], *, is_sealed: bool
) -> Flaw:
    keys = _listed(names)
    if is_sealed:
        what = f"{title} is encrypted, but not its {field} ({keys}): the rule in its `sops` part"
        fix = "add the field to encrypted_regex of .sops.yaml, then " + quoted(
            "sops", "encrypt", "--in-place", file
        )
        return Flaw(
            Severity.ERROR, "plain-text", file, line, f"{what} leaves it out", f"{fix}{_HISTORY}"
        )
    what = f"{title} is in plain text ({field}: {keys})"
    fix = quoted("sops", "encrypt", "--in-place", "--encrypted-regex", "^(data|stringData)$", file)
    return Flaw(Severity.ERROR, "plain-text", file, line, what, fix + _HISTORY)


def _title(obj: Mapping[str, Any]) -> str:
    metadata = obj.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else ""
    return f"Secret '{name}'" if name else "a Secret"


def _is_plain(value: Any, field: str) -> bool:
    if value is None or value == "":
        return False
    text = str(value)
    if _VARIABLES.match(text) or _SEALED.match(text):
        return False
    content = _decoded(text) if field == "data" else text.encode(errors="replace")
    return bool(content) and marked_format(content) is None


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError):
        return text.encode(errors="replace")


def _is_kustomization(document: Document, obj: Mapping[str, Any]) -> bool:
    group = str(obj.get("apiVersion", _GENERATED)).partition("/")[0]
    name = posixpath.basename(document.file).lower()
    return group != KUSTOMIZE_GROUP and (
        obj.get("kind") in ("Kustomization", "Component")
        or name in ("kustomization.yaml", "kustomization.yml", "kustomization")
    )


def _of_generators(document: Document, obj: Mapping[str, Any], survey: Survey) -> Iterator[Flaw]:
    generators = obj.get("secretGenerator")
    for number, generator in enumerate(generators if isinstance(generators, list) else ()):
        if not isinstance(generator, Mapping):
            continue
        title = f"secretGenerator '{generator.get('name', '')}'"
        at = ("secretGenerator", number)
        names = [name for name, value in _literals(generator) if _is_plain(value, "")]
        if names:
            line = document.line_of((*at, "literals"))
            what = f"{title} has literals in plain text ({_listed(names)})"
            fix = "put them into a file, encrypt it with `sops encrypt --in-place`, name it by envs"
            yield Flaw(Severity.ERROR, "plain-text", document.file, line, what, f"{fix}{_HISTORY}")
        for field, file in _files(generator, posixpath.dirname(document.file)):
            if file not in survey.encrypted and (survey.root / file).is_file():
                line = document.line_of((*at, field))
                what = f"{title} takes '{file}' ({field}), which is in plain text"
                fix = quoted("sops", "encrypt", "--in-place", file)
                yield Flaw(
                    Severity.ERROR, "plain-text", document.file, line, what, f"{fix}{_HISTORY}"
                )


def _literals(generator: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    found = generator.get("literals")
    for literal in found if isinstance(found, list) else ():
        name, _, value = str(literal).partition("=")
        yield name, value.strip("'\"")


def _files(generator: Mapping[str, Any], folder: str) -> Iterator[tuple[str, str]]:
    """(field, path from the root) of each file of a generator."""
    envs = [generator["env"]] if generator.get("env") else []
    for field, listed in (
        ("env", envs),
        ("envs", generator.get("envs")),
        ("files", generator.get("files")),
    ):
        for each in listed if isinstance(listed, list) else ():
            name = str(each).partition("=")[2] or str(each) if field == "files" else str(each)
            if "://" not in name:
                yield field, posixpath.normpath(posixpath.join(folder, name))


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
