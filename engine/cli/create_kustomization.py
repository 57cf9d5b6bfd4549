"""`lockstep create kustomization`: which folder of which source to apply."""

from typing import Any

import click

from engine.api.duration import format_duration
from engine.cli import steps
from engine.cli.applying import Making, filled, finish, with_making
from engine.cli.flags import DURATION
from engine.cli.go_flags import FluxCommand, listed
from engine.cli.help import examples
from engine.cli.target import asynchronous
from engine.cli.waiting import outcome

_SOURCES = ("OCIRepository", "GitRepository", "Bucket", "ExternalArtifact")
_CHECKED = ("Deployment", "DaemonSet", "StatefulSet", "HelmRelease")


@click.command(
    "kustomization",
    cls=FluxCommand,
    epilog=examples(
        "lockstep create kustomization apps --source GitRepository/fleet --path ./apps "
        "--prune --interval 10m --wait --health-check-timeout 3m",
        "lockstep create kustomization shop --source fleet.flux-system --path ./shop "
        "--depends-on apps --service-account shop -n shop --export",
    ),
)
@click.option(
    "--source", required=True, metavar="[KIND/]NAME[.NAMESPACE]", help="What holds the manifests."
)
@click.option("--path", default="./", show_default=True, help="Folder in the source.")
@click.option("--prune", is_flag=True, help="Delete what leaves the source.")
@click.option("--wait", is_flag=True, help="Wait until all that was applied is healthy.")
@click.option(
    "--health-check", multiple=True, metavar="KIND/NAME.NAMESPACE", help="Wait for this one."
)
@click.option(
    "--health-check-timeout",
    type=DURATION,
    default="2m",
    show_default=True,
    help="How long that may take.",
)
@click.option("--depends-on", multiple=True, metavar="[NAMESPACE/]NAME", help="What goes first.")
@click.option("--service-account", default="", help="As whom to apply.")
@click.option("--decryption-provider", type=click.Choice(["sops"]), help="What decrypts Secrets.")
@click.option("--decryption-secret", default="", help="Name of the Secret with the keys.")
@click.option("--target-namespace", default="", help="Namespace of all objects.")
@click.option("--kubeconfig-secret-ref", default="", help="Secret that leads to another cluster.")
@click.option("--retry-interval", type=DURATION, default=None, help="Between tries after failure.")
@with_making
@asynchronous
async def command(making: Making, **given: Any) -> None:
    """Make a Kustomization."""
    path = given["path"]
    if not path.startswith("./"):
        raise click.UsageError("path must begin with ./")
    retry = given["retry_interval"]
    spec = {
        "interval": making.interval_text,
        "path": path,
        "sourceRef": _source(given["source"]),
        "targetNamespace": given["target_namespace"],
        "dependsOn": [_dependency(text) for text in listed(given["depends_on"])],
        "kubeConfig": {"secretRef": {"name": given["kubeconfig_secret_ref"]}},
        "serviceAccountName": given["service_account"],
        "decryption": _decryption(given["decryption_provider"], given["decryption_secret"]),
        "retryInterval": format_duration(retry) if retry else "",
        **_health(given),
    }
    obj = making.obj("Kustomization", spec)
    obj["spec"]["prune"] = given["prune"]
    if ready := await finish(making, obj):
        steps.done(outcome(ready))


def _source(text: str) -> dict[str, str]:
    """Raises click.UsageError for kinds that nothing can be applied from."""
    kind, slash, rest = text.rpartition("/")
    kind = kind if slash else "GitRepository"
    known = next((each for each in _SOURCES if each.lower() == kind.lower()), None)
    if known is None:
        raise click.UsageError(
            f"source kind '{kind}' is not supported, must be one of: {', '.join(_SOURCES)}"
        )
    name, dot, namespace = rest.rpartition(".")
    if not (name if dot else rest):
        raise click.UsageError(f"no name given for source of kind '{known}'")
    return {
        "kind": known,
        "name": name if dot else rest,
        **({"namespace": namespace} if dot else {}),
    }


def _dependency(text: str) -> dict[str, str]:
    namespace, _, name = text.rpartition("/")
    return filled({"name": name, "namespace": namespace})


def _decryption(provider: str | None, secret: str) -> dict[str, Any]:
    if secret and not provider:
        raise click.UsageError("--decryption-secret needs --decryption-provider sops")
    return {"provider": provider, "secretRef": {"name": secret}}


def _health(given: dict[str, Any]) -> dict[str, Any]:
    """What is waited for, and how long."""
    checks = [_check(text) for text in listed(given["health_check"])]
    if not (given["wait"] or checks):
        return {}
    what = {"wait": True} if given["wait"] else {"healthChecks": checks}
    return {**what, "timeout": format_duration(given["health_check_timeout"])}


def _check(text: str) -> dict[str, str]:
    kind, slash, rest = text.partition("/")
    name, dot, namespace = rest.partition(".")
    if not (slash and dot and name and namespace) or "." in namespace or "/" in rest:
        raise click.UsageError(
            f"invalid health check '{text}' must be in the format 'kind/name.namespace'"
        )
    if kind not in _CHECKED:
        raise click.UsageError(
            f"invalid health check kind '{kind}' can be "
            "HelmRelease, Deployment, DaemonSet or StatefulSet"
        )
    version = "helm.toolkit.fluxcd.io/v2" if kind == "HelmRelease" else ""
    return filled({"apiVersion": version, "kind": kind, "name": name, "namespace": namespace})
