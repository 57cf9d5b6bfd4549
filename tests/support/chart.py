"""The chart in `helm/`: what `settings` of its values may be, and the real Helm run on it."""

import json
import os
import re
import shlex
import subprocess
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import pytest

from engine.cli.flags import DurationType, ListType, SizeType, settings_of
from engine.cli.run import command
from engine.objects.manifests import parse
from engine.objects.ref import Object
from engine.settings import Settings
from tests.controlplane.build import MODULES, tools_folder
from tests.support.apiserver import ApiServer
from tests.support.kubectl import Program, program_at

_ROOT = Path(__file__).parents[2]
CHART = _ROOT / "helm"
SCHEMA = CHART / "values.schema.json"
GUIDES = _ROOT / "docs/install.md", _ROOT / "docs/moving.md"
CASES = _ROOT / "tests/golden/chart"
"""A folder for each set of values that somebody may have."""

OWN_VALUES: Mapping[str, str] = {
    "tenancy": "tenancy",
    "sources": "sources",
    "events_addr": "eventsAddr",
    "watch_all_namespaces": "watchAllNamespaces",
    "watch_label_selector": "watchLabelSelector",
    "log_level": "logLevel",
    "log_encoding": "logEncoding",
    "concurrent": "concurrent",
    "concurrent_builds": "concurrentBuilds",
    "build_memory_bytes": "buildMemory",
    "graceful_shutdown_timeout": "terminationGracePeriodSeconds",
}
"""Settings that have a value of their own in the chart."""
FIXED = frozenset(
    {
        "runtime_namespace",
        "storage_path",
        "storage_addr",
        "storage_adv_addr",
        "metrics_addr",
        "health_addr",
        "receiver_addr",
        "events_listen_addr",
        "impersonation_mark",
    }
)
"""Settings that Services, probes, volumes and roles of the chart rely on."""

_MADE: dict[tuple[str, ...], str] = {}  # {Helm's words: what it rendered}: the chart stays the same
_PLAIN: Mapping[type, Mapping[str, Any]] = {
    type(click.STRING): {"type": "string"},
    type(click.BOOL): {"type": "boolean"},
    ListType: {"type": "array", "items": {"type": "string"}},
    SizeType: {"type": ["integer", "string"], "minimum": 0, "pattern": "^[0-9]+(Ki|Mi|Gi)?$"},
    DurationType: {"type": "string", "pattern": r"^([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h))+$"},
}


def settings_schema() -> dict[str, Any]:
    """{flag without its dashes: JSON schema}, of all that the value `settings` takes."""
    return {
        str(option.name).replace("_", "-"): {"description": option.help, **_taken(option)}
        for option in command.params
        if isinstance(option, click.Option) and option.name not in {*OWN_VALUES, *FIXED, "help"}
    }


def _taken(option: click.Option) -> dict[str, Any]:
    """The schema of what an option takes."""
    kind: Any = option.type
    if isinstance(kind, click.Choice):
        return {"enum": list(kind.choices)}
    if isinstance(kind, click.IntRange | click.FloatRange):
        most = {} if kind.max is None else {"maximum": kind.max}
        name = "integer" if isinstance(kind, click.IntRange) else "number"
        return {"type": name, "minimum": kind.min, **most}
    return dict(_PLAIN[type(kind)])


def helm() -> Path:
    """The program, if `make tools` has built it; skips the test if not."""
    module = next(each for each in MODULES if "helm" in each.programs)
    path = tools_folder() / f"{module.name}-{module.digest}" / "helm"
    if not path.is_file():
        pytest.skip("helm is not built: `make tools` does it")
    return path


def helm_run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """How Helm ended, without a cluster; its home is `folder`."""
    return subprocess.run(
        [str(helm()), *arguments],
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "KUBECONFIG": os.devnull},
        capture_output=True,
        text=True,
        check=False,
    )


def helm_at(server: ApiServer, namespace: str, folder: Path) -> Program:
    """Helm in that namespace."""
    return program_at(server, [str(helm()), f"--namespace={namespace}"], folder)


def template(folder: Path, *arguments: str, namespace: str = "flux-system") -> str:
    """What a release `lockstep` consists of, as one text of manifests."""
    words = ("template", "lockstep", str(CHART), f"--namespace={namespace}", *arguments)
    if words not in _MADE:
        done = helm_run(folder, *words)
        assert done.returncode == 0, f"{shlex.join(words)}: {done.stderr}"
        _MADE[words] = done.stdout
    return _MADE[words]


def notes(folder: Path, *arguments: str) -> str:
    """What is said after the same release is installed."""
    words = ("install", "lockstep", str(CHART), "--namespace=flux-system", "--dry-run=client")
    done = helm_run(folder, *words, "--output=json", *arguments)
    assert done.returncode == 0, f"{shlex.join((*words, *arguments))}: {done.stderr}"
    text: str = json.loads(done.stdout)["info"]["notes"]
    return text


def rendered(folder: Path, *arguments: str) -> dict[tuple[str, str], Object]:
    """{(kind, name): object} of the same."""
    text = template(folder, *arguments)
    objects = [each.obj for each in parse(text.encode(), "chart")]
    return {(obj["kind"], obj["metadata"]["name"]): obj for obj in objects}


def settings_in(deployment: Object) -> Settings:
    """What `lockstep run` would make of the container's arguments and environment."""
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    first, *arguments = container["args"]
    assert first == command.name
    namespace = deployment["metadata"]["namespace"]
    words = [each.replace("$(RUNTIME_NAMESPACE)", namespace) for each in arguments]
    with command.make_context("run", words) as context:
        return settings_of(context.params)


def leaves(schema: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """The paths of values that have no properties of their own."""
    for name, each in schema["properties"].items():
        place = f"{path}.{name}".lstrip(".")
        if "properties" in each and place != "settings":
            yield from leaves(each, place)
        else:
            yield place


def guide_blocks() -> list[str]:
    """The indented blocks of docs/install.md and docs/moving.md, flush left."""
    text = "".join(path.read_text() for path in GUIDES)
    found = re.findall(r"(?:^ {4}.*\n)+", text, re.MULTILINE)
    return [textwrap.dedent(block) for block in found]


def read_schema() -> dict[str, Any]:
    """The content of values.schema.json."""
    content: dict[str, Any] = json.loads(SCHEMA.read_text())
    return content


def write_schema(schema: Mapping[str, Any]) -> None:
    """Written as it is committed."""
    SCHEMA.write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n")


def _definition(group: str, kind: str, plural: str, version: str, spec: Object) -> Object:
    """Of a kind with that spec; what the schema does not name is refused if one asks for it."""
    schema = {"type": "object", "properties": {"spec": spec}}
    served = {"name": version, "served": True, "storage": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
            "versions": [{**served, "schema": {"openAPIV3Schema": schema}}],
        },
    }


def _object(*required: str, **properties: Object) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": properties}


def _array(items: Object) -> dict[str, Any]:
    return {"type": "array", "items": items}


_TEXT, _NUMBER = {"type": "string"}, {"type": "integer"}
_REFERENCE = {"name": _TEXT, "namespace": _TEXT, "port": _NUMBER}
_PATH = _object(value=_TEXT, type={"type": "string", "enum": ["Exact", "PathPrefix"]})
FOREIGN: Mapping[str, Object] = {
    "HTTPRoute": _definition(
        "gateway.networking.k8s.io",
        "HTTPRoute",
        "httproutes",
        "v1",
        _object(
            parentRefs=_array(_object("name", **_REFERENCE, sectionName=_TEXT)),
            hostnames=_array(_TEXT),
            rules=_array(
                _object(
                    matches=_array(_object(path=_PATH)),
                    backendRefs=_array(_object("name", **_REFERENCE)),
                )
            ),
        ),
    ),
    "ServiceMonitor": _definition(
        "monitoring.coreos.com",
        "ServiceMonitor",
        "servicemonitors",
        "v1",
        _object(
            "endpoints",
            "selector",
            selector=_object(matchLabels={"type": "object", "additionalProperties": _TEXT}),
            endpoints=_array(
                _object(port=_TEXT, path=_TEXT, interval=_TEXT, honorLabels={"type": "boolean"})
            ),
        ),
    ),
}
"""Definitions of the kinds that others bring, with what the chart writes of them.

Source: Gateway API v1 (HTTPRouteSpec), Prometheus operator v1 (ServiceMonitorSpec).
"""
