"""Write engine/apiserver/decoding/tables/protobuf.json: field numbers of Kubernetes' own kinds.

Use: `python -m tests.controlplane.derive_protobuf FOLDER VERSION`, the folder that holds
`api@VERSION`, `apimachinery@VERSION` and so on (a Go module cache's `k8s.io`).

What the table holds is told in engine/apiserver/decoding/protobuf.py, which reads it.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from engine.apiserver.decoding.protobuf import INLINE, KEPT, PRESENT, TABLE, message_name
from engine.apiserver.kinds import builtin

_MODULES = ("api", "apimachinery", "apiextensions-apiserver", "kube-aggregator")
_SCALARS = {
    "string": "s",
    "bytes": "b",
    "bool": "t",
    "int32": "i",
    "int64": "i",
    "uint32": "i",
    "uint64": "i",
    "double": "d",
    "float": "d",
}
_FIELD = re.compile(
    r"^  (?:(optional|repeated) ([\w.]+)|map<string, ([\w.]+)>) (\w+) = (\d+);", re.MULTILINE
)
_MESSAGE = re.compile(r"^message (\w+) \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_STRUCT = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_TAG = re.compile(r"^\s+(?:\w+\s+)?(\*?)\S.*?json:\"(\w*)(,[\w,]*)?\"", re.MULTILINE)
_INLINE = re.compile(r"json:\",inline\"\s+protobuf:\"[^\"]*name=(\w+)")
# Bodies that belong to no resource.
_ALWAYS = (
    "k8s.io.apimachinery.pkg.apis.meta.v1.DeleteOptions",
    "k8s.io.api.autoscaling.v1.Scale",
    "k8s.io.api.policy.v1.Eviction",
    "k8s.io.api.authentication.v1.TokenRequest",
)


_LETTERS = frozenset(_SCALARS.values())
_POINTER = 8  # while deriving only


def derive(folder: Path, version: str) -> dict[str, Any]:
    """The table: `kinds` {api version/kind: message} and `messages` {name: {number: field}}."""
    known: dict[str, dict[str, Any]] = {}
    for module in _MODULES:
        for file in sorted((folder / f"{module}@{version}").glob("**/generated.proto")):
            known.update(_messages(file))
    kinds = {
        f"{each.api_version}/{each.kind}": message_name(each.definition)
        for each in builtin.load().resources
        if "create" in each.verbs and each.definition
    }
    for name in _ALWAYS:
        parts = name.split(".")
        group = "" if parts[-4] == "apis" else f"{_GROUPS.get(parts[-3], parts[-3])}/"
        kinds[f"{group}{parts[-2]}/{parts[-1]}"] = name
    used: dict[str, dict[str, Any]] = {}
    for name in kinds.values():
        _add(name, known, used)
    return {
        "kinds": {kind: name for kind, name in sorted(kinds.items()) if name in used},
        "messages": {name: used[name] for name in sorted(used)},
    }


_GROUPS = {"authentication": "authentication.k8s.io"}


def _messages(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    text = file.read_text()
    package = re.search(r"^package ([\w.]+);", text, re.MULTILINE)
    if package is None:
        return
    kept = _kept(file.parent)
    for name, body in _MESSAGE.findall(text):
        fields = {}
        for label, kind, mapped, field, number in _FIELD.findall(body):
            mark = "@" if mapped else "*" if label == "repeated" else ""
            keep = kept.get((name, field), 0)
            if keep & _POINTER == 0 and not mark and _type(kind, package[1]) not in _LETTERS:
                keep |= PRESENT
            keep &= ~_POINTER
            fields[number] = [field, mark + _type(mapped or kind, package[1]), keep]
        yield f"{package[1]}.{name}", fields


def _type(text: str, package: str) -> str:
    if text in _SCALARS:
        return _SCALARS[text]
    return text.removeprefix(".") if text.startswith(".") else f"{package}.{text}"


def _kept(folder: Path) -> dict[tuple[str, str], int]:
    """{(struct, field) of the Go types: keep} where it is not 0."""
    found = {}
    for file in folder.glob("*.go"):
        for struct, body in _STRUCT.findall(file.read_text()):
            for pointer, name, rest in _TAG.findall(body):
                always = "omitempty" not in rest
                keep = (KEPT if pointer or always else 0) | (PRESENT if always else 0)
                found[struct, name] = keep | (_POINTER if pointer else 0)
            found.update({(struct, name): INLINE for name in _INLINE.findall(body)})
    return found


def _add(name: str, known: dict[str, dict[str, Any]], used: dict[str, dict[str, Any]]) -> None:
    if name in used or name not in known:
        return
    used[name] = known[name]
    for _, kind, _ in known[name].values():
        _add(kind.lstrip("*@"), known, used)


if __name__ == "__main__":
    TABLE.write_bytes(orjson.dumps(derive(Path(sys.argv[1]), sys.argv[2])) + b"\n")
