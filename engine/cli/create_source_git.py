"""`lockstep create source git`: a repository, and which of its commits."""

from typing import Any
from urllib.parse import urlsplit

import click

from engine.cli.applying import Making, finish_source, with_fetching, with_making
from engine.cli.go_flags import FluxCommand, listed
from engine.cli.help import examples
from engine.cli.problems import Problem
from engine.cli.target import asynchronous

_SCHEMES = ("ssh", "http", "https")


@click.command(
    "git",
    cls=FluxCommand,
    epilog=examples(
        "lockstep create source git fleet --url https://git.example.com/fleet --branch main",
        "lockstep create source git fleet --url ssh://git@git.example.com/fleet --branch main "
        "--secret-ref fleet-auth --interval 5m --export",
        "lockstep create source git lib --url https://git.example.com/lib --tag-semver '>=1.0.0'",
    ),
)
@click.option("--url", required=True, help="Address, as ssh://git@host/org/repository.")
@click.option("--branch", default="", help="Its newest commit.")
@click.option("--tag", default="", help="What the tag points to.")
@click.option("--tag-semver", default="", help="The newest tag in a range of versions.")
@click.option("--ref-name", default="", help="What a reference points to: refs/pull/1/head.")
@click.option("--commit", default="", help="That commit.")
@click.option("--secret-ref", default="", help="Secret with the login.")
@click.option("--proxy-secret-ref", default="", help="Secret with a proxy's address and login.")
@click.option(
    "--provider",
    type=click.Choice(["generic", "azure", "aws", "github"]),
    help="Whose login it is.",
)
@click.option("--recurse-submodules", is_flag=True, help="Submodules, too.")
@click.option("--ignore-paths", multiple=True, help="Paths to leave out.")
@click.option("--sparse-checkout-paths", multiple=True, help="Folders to take; all without.")
@with_fetching
@with_making
@asynchronous
async def command(making: Making, url: str, **given: Any) -> None:
    """Make a GitRepository."""
    scheme = urlsplit(url).scheme
    if scheme not in _SCHEMES:
        raise click.UsageError(
            f"git URL scheme '{scheme}' not supported, can be: ssh, http and https"
        )
    if scheme == "ssh" and not given["secret_ref"] and not making.is_export:
        raise Problem(
            "a repository over ssh needs --secret-ref: `lockstep create secret git` makes the key"
        )
    spec = {
        "url": url,
        "interval": making.interval_text,
        "timeout": given["fetch_timeout"],
        "ref": _reference(given),
        "secretRef": {"name": given["secret_ref"]},
        "proxySecretRef": {"name": given["proxy_secret_ref"]},
        "provider": given["provider"],
        "recurseSubmodules": given["recurse_submodules"] or None,
        "ignore": "\n".join(listed(given["ignore_paths"])),
        "sparseCheckout": list(listed(given["sparse_checkout_paths"])),
    }
    await finish_source(making, making.obj("GitRepository", spec))


def _reference(given: dict[str, Any]) -> dict[str, str]:
    """What is fetched: where several are given, the most exact one.  Raises click.UsageError."""
    if given["commit"]:
        return {"commit": given["commit"], "branch": given["branch"]}
    for option, field in (
        ("ref_name", "name"),
        ("tag_semver", "semver"),
        ("tag", "tag"),
        ("branch", "branch"),
    ):
        if given[option]:
            return {field: given[option]}
    raise click.UsageError(
        "a Git ref is required, use one of the following: "
        "--branch, --tag, --commit, --ref-name or --tag-semver"
    )
