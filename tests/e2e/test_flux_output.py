"""What the flux CLI prints of a cluster, and what ours does: names, columns, order, objects.

The same cluster's output is recorded in tests/golden/commands, which always runs.
"""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from anyio import to_thread

from engine.api.duration import parse_duration
from engine.objects.manifests import load, parse
from tests.support.apiserver import ApiServer
from tests.support.commands import AGE, furnish
from tests.support.flux import flux_at
from tests.unit.cli.conftest import run_here

TABLES = [
    "get kustomizations",
    "get kustomizations apps",
    "get ks -A",
    "get ks --show-source",
    "get ks --no-header",
    "get ks --status-selector ready=false",
    "get ks --status-selector ready!=true",
    "get ks -l team=a",
    "get sources git",
    "get sources helm",
    "get sources external",
    "get sources all",
    "get helmreleases",
    "get hr --show-source",
    "get receivers",
    "get alerts",
    "get alert-providers",
    "get all",
    "get all -A",
    "get ks -n team-a -A",
    "stats",
    "stats -A",
]
EVENTS = [
    "events",
    "events -A",
    "events --for Kustomization/apps",
    "events --for Kustomization",
    "events --types Warning",
]
EXPORTS = [
    "export kustomization apps",
    "export kustomization --all",
    "export source git fleet",
    "export source git fleet --with-credentials",
    "export receiver github",
    "export alert slack",
    "export alert-provider slack",
    "create alert aa --provider-ref slack --event-source Kustomization/x.team,GitRepository/*"
    " --event-severity error --label a=b --export",
    "create alert-provider pp --type slack --channel c --address https://x --secret-ref s --export",
    "create receiver rr --type github --event push,ping --secret-ref s"
    " --resource GitRepository/fleet --export",
    "create kustomization kk --source GitRepository/fleet.other --path ./x --prune=true --wait"
    " --depends-on a,b/c --service-account s --target-namespace t --interval 10m --export",
    "create kustomization kk --source fleet --health-check Deployment/web.x"
    " --decryption-provider sops --decryption-secret keys --export",
    "create source git gg --url https://git.example.com/x --tag-semver >=1.0.0 --secret-ref s"
    " --ignore-paths a,b --export",
    "create source git gg --url https://git.example.com/x --branch main --commit abc"
    " --recurse-submodules --export",
    "create source oci oo --url oci://r.example.com/x --tag 1 --tag-semver 1.x --digest sha256:a"
    " --secret-ref s --service-account a --cert-ref c --proxy-secret-ref p --provider aws"
    " --ignore-paths a,b --insecure --layer-selector a/b:copy --fetch-timeout 90s"
    " --verify-provider cosign --verify-secret-ref k --verify-issuer i --export",
    "create source helm hh --url https://c.example.com --username a --password b --export",
    "create source helm hh --url oci://c.example.com/x --oci-provider aws --secret-ref s"
    " --pass-credentials --export",
    "create source bucket bb --bucket-name n --endpoint e:9000 --insecure=true --access-key a"
    " --secret-key b --region r --export",
    "create source bucket bb --bucket-name n --endpoint e --provider aws --secret-ref s"
    " --proxy-secret-ref p --ignore-paths a,b --export",
    "create source chart cc --source helmrepository/h --chart x --chart-version 1.x --export",
    "create source chart cc --source GitRepository/h --chart ./x --reconcile-strategy Revision"
    " --verify-provider cosign --verify-issuer i --label a=b --export",
    "create secret git ss --url https://git.example.com/x --username u --password p --export",
    "create secret receiver ss --type github --hostname h.example.com --token t --export",
]
TEXTS = [
    "tree kustomization apps",
    "tree kustomization apps --compact",
    "tree kustomization apps -o json",
    "trace -n team-a configmap settings",
    "trace -n team-a cm/settings",
    "trace settings -n team-a --kind ConfigMap --api-version v1",
]
REFUSALS = [
    "get ks nobody",
    "get ks -n team-a",
    "get ks --status-selector ready",
    "events --types nonsense",
    "events --for Pod/x",
    "export kustomization",
    "export kustomization nobody",
    "export alert --all -n team-a",
    "delete kustomization nobody",
    "reconcile kustomization nested",
    "reconcile kustomization nobody",
    "tree kustomization",
    "trace -n team-a nonsense x",
    "create alert x",
    "create receiver x --type github",
    "create kustomization x --source Pod/x",
    "create source git x --url ftp://x --branch main",
    "create source git x --url https://x",
    "create source oci oo --url oci://r.example.com/x --export",
    "create source oci oo --url oci://r.example.com/x --tag 1 --layer-selector a:move --export",
    "create source oci oo --url oci://r.example.com/x --tag 1 --verify-issuer a --export",
    "create source helm hh --url ftp://c.example.com/x --export",
    "create source chart cc --source Pod/h --chart ./x --export",
    "create alert Bad_Name --provider-ref x --event-source a/b",
]


async def test_flux_prints_the_same(
    embedded_api_server: ApiServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(embedded_api_server.kubeconfig))
    await furnish(embedded_api_server)
    flux = flux_at(embedded_api_server, "flux-system", tmp_path)
    differences = []
    for read, commands in COMMANDS:
        for line in commands:
            theirs = await flux(*shlex.split(line), status=None)
            ours = await to_thread.run_sync(run_here, *shlex.split(line))
            wanted, found = read(theirs.out, theirs.status), read(ours.out, ours.status)
            if wanted != found:
                differences.append(f"$ {line}\nflux: {wanted}\nours: {found}\n{theirs.err}")

    assert not differences, "\n".join(differences)


def rows(out: str, status: int) -> tuple[int, list[list[str]]]:
    """The cells of a table, ages blurred."""
    lines = [line for line in AGE.sub("AGE", out).splitlines() if line.strip()]
    cells = [[c.strip() for c in re.split(r"\t| {3,}", line) if c.strip()] for line in lines]
    return status, cells


def words(out: str, status: int) -> tuple[int, list[str]]:
    """The words of a table: Flux's breaks a row where a message has several lines."""
    return status, AGE.sub("AGE", out).split()


def documents(out: str, status: int) -> tuple[int, list[Any]]:
    """Objects, without what is as good as absent."""
    return status, [bare(each.obj) for each in parse(out.encode(), "out")]


def bare(value: Any) -> Any:
    """The value without zeros and empty things; durations in seconds."""
    if isinstance(value, dict):
        made = {key: bare(each) for key, each in value.items()}
        return {key: each for key, each in made.items() if each not in (None, "", {}, [], False)}
    if isinstance(value, list):
        return [bare(each) for each in value]
    if isinstance(value, str) and re.fullmatch(r"(\d+[hms])+", value):
        return parse_duration(value)
    return value


def plain(out: str, status: int) -> tuple[int, Any]:
    """JSON as such, text without blanks at its ends."""
    return status, load(out) if out.startswith("{") else out.strip()


def refused(_: str, status: int) -> bool:
    return status != 0


COMMANDS = (
    (rows, TABLES),
    (words, EVENTS),
    (documents, EXPORTS),
    (plain, TEXTS),
    (refused, REFUSALS),
)
