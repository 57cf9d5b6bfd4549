"""`lockstep build`: render a local folder as the engine would, without a cluster."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from engine.api import decode
from engine.api.duration import format_duration
from engine.api.kustomize import Kustomization
from engine.cli import steps
from engine.cli.building import (
    Limits,
    completed_here,
    kustomization_in,
    owner_of,
    stream_of,
)
from engine.cli.explain import explanation
from engine.cli.fetching import TIMEOUT, warn_of_moving
from engine.cli.flags import DURATION
from engine.cli.go_flags import variables_in
from engine.cli.help import examples
from engine.cli.own_keys import opening_of, warn_of_encrypted
from engine.cli.places import below, work_tree
from engine.objects.manifests import Document
from engine.plan.policy import labelled
from engine.render import Decrypting, Rendered, Request, render
from engine.render.explanation import Explainer, explain
from engine.settings import Settings
from engine.source.folder import FolderTree

_SHOWN = 3  # names of files in a message
_OTHERS = {
    "kustomization": "engine.cli.build_kustomization",
    "ks": "engine.cli.build_kustomization",
    "--all": "engine.cli.build_all",
}
"""Words that make another command of it: Flux's own, and the look at a whole repository."""


class _Building(click.Command):
    """`build FOLDER`, unless a word says what else is to be built."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> click.Context:
        """The context of the command that is meant."""
        first = next((each for each in args if each in _OTHERS), "")
        if first and (first == "--all" or args[0] == first):
            rest = list(args)
            rest.remove(first)
            other = import_module(_OTHERS[first]).command
            context: click.Context = other.make_context(
                f"{info_name} {first}", rest, parent, **extra
            )
            return context
        return super().make_context(info_name, args, parent, **extra)


@click.command(
    "build",
    cls=_Building,
    epilog=examples(
        "lockstep build ./apps/production",
        "lockstep build --all ./clusters/production",
        "lockstep build kustomization apps --path ./apps/production",
        "lockstep build ./apps --kustomization-file clusters/prod/apps.yaml",
        "lockstep build ./apps --kustomization-file apps.yaml --set region=eu-1",
        "lockstep build ./apps --explain Deployment/web.spec.replicas",
    ),
)
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--kustomization-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Flux Kustomization whose spec holds (patches, postBuild, images ...); PATH replaces "
    "its spec.path.",
)
@click.option("--name", default="", help="Which one, if the file holds several Kustomizations.")
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder that stands for the source: nothing outside is read.  By default the Git work "
    "tree that PATH is in, else PATH.",
)
@click.option(
    "--set",
    "settings",
    metavar="NAME=VALUE",
    multiple=True,
    help="A variable, in place of those that substituteFrom reads from the cluster (repeatable).",
)
@click.option(
    "--strict-substitutions/--no-strict-substitutions",
    default=True,
    show_default=True,
    help="An undefined variable without default fails the build.",
)
@click.option(
    "--no-remote-bases", is_flag=True, help="Refuse bases and files that are named by URL."
)
@click.option(
    "--build-timeout",
    "seconds",
    type=DURATION,
    default=format_duration(Settings().build_timeout),
    envvar="LOCKSTEP_BUILD_TIMEOUT",
    show_default=True,
    help="How long it may take, as in the engine; 0s: any time.",
)
@click.option(
    "--sops-age-key-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with age keys: what is encrypted is decrypted even if no Kustomization asks for it."
    "  One that does takes the keys that sops would: SOPS_AGE_KEY, SOPS_AGE_KEY_FILE, or the "
    "user's sops/age/keys.txt; and key services as the identity of the environment (AWS_PROFILE, "
    "AZURE_CLIENT_ID, GOOGLE_APPLICATION_CREDENTIALS, VAULT_ADDR and VAULT_TOKEN).",
)
@click.option(
    "--sops-pgp-key-file",
    "sops_pgp_key_files",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="The same with OpenPGP keys, as `gpg --export-secret-keys` writes them (repeatable); "
    "LOCKSTEP_SOPS_PGP_KEY_FILES names some for all commands.  Your gpg keyring is not read.",
)
@click.option(
    "--sops-verify-mac/--no-sops-verify-mac",
    default=True,
    show_default=True,
    help="Refuse an encrypted file that was changed since it was encrypted.",
)
@click.option(
    "--show-secrets", is_flag=True, help="Print values of Secrets and what was decrypted, too."
)
@click.option(
    "--explain",
    "target",
    metavar="OBJECT[.FIELD]",
    default="",
    help="Print where an object, or one field of it, comes from, instead of the objects.  OBJECT "
    "is KIND/NAME, or KIND.GROUP/NAMESPACE/NAME.  Values of Secrets are always masked.",
)
@click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="The form of --explain.",
)
def command(
    path: Path, kustomization_file: Path | None, name: str, root: Path | None, **how: Any
) -> None:
    """Render a local folder as the engine would.

    The objects are printed as YAML; the values of Secrets are masked.  `build kustomization NAME`
    takes the Kustomization from the cluster as Flux's CLI does, `build --all DIR` renders every
    Kustomization below a folder and says all that is wrong; both have a --help of their own.
    """
    if how["form"] != "text" and not how["target"]:
        raise click.UsageError("--output is for --explain")
    root = (root or work_tree(path)).resolve()
    request = Request(
        path=below(root, path),
        strict=how["strict_substitutions"],
        no_remote_bases=how["no_remote_bases"],
    )
    found = kustomization_in(kustomization_file, name) if kustomization_file else None
    ks = decode(Kustomization, found.obj) if found is not None else None
    variables = _variables(how["settings"], ks)
    if ks is not None:
        strict, remote = request.strict, request.no_remote_bases
        given = Request.of(ks, variables, strict=strict, no_remote_bases=remote)
        request = replace(given, path=request.path)
    elif variables:
        request = replace(request, variables=variables)
    opening = opening_of(ks, how["sops_age_key_file"], how["sops_pgp_key_files"])
    if opening is not None:
        request = replace(request, decryption=Decrypting("", how["sops_verify_mac"]))
    limits = Limits(how["seconds"], ks.timeout if ks is not None else TIMEOUT, opening)
    if how["target"]:
        explainer = _explainer(found, ks, how["settings"])
        work = partial(explain, FolderTree(root), request, how=explainer)
        explained = completed_here(work, request, limits)
        click.echo(explanation(explained, how["target"], how["form"]), nl=False)
        return
    build = partial(render, FolderTree(root), request)
    rendered = completed_here(build, request, limits)
    warn_of_moving(rendered.inputs)
    warn_of_encrypted(rendered, ks)
    if not rendered.objects:
        steps.warning(f"no objects: {_read(rendered, path)}")
    click.echo(stream_of(rendered, owner_of(ks), how["show_secrets"]), nl=False)


def _variables(settings: Sequence[str], ks: Kustomization | None) -> dict[str, str]:
    """Those of `--set`, and the Kustomization's own, which win as they do in the engine."""
    variables = variables_in(settings)
    post_build = ks.spec.post_build if ks is not None else None
    if post_build is None:
        return variables
    for reference in post_build.substitute_from:
        steps.warning(
            f"{reference.kind} '{reference.name}' of postBuild.substituteFrom is not read; "
            "give its variables with --set"
        )
    own = {name: value.replace("\n", "") for name, value in post_build.substitute.items()}
    return variables | own


def _explainer(
    found: Document | None, ks: Kustomization | None, settings: Sequence[str]
) -> Explainer:
    if found is None:
        return Explainer()
    content, owner = Path(found.file).read_bytes(), owner_of(ks)
    labels = labelled({"metadata": {}}, owner)["metadata"]["labels"] if owner is not None else {}
    return Explainer(found, content, _hidden(settings, ks), labels)


def _hidden(settings: Sequence[str], ks: Kustomization | None) -> frozenset[str]:
    """Variables of `--set` that may stand in for those of a Secret: their values are not shown."""
    post_build = ks.spec.post_build if ks is not None else None
    if post_build is None or all(each.kind != "Secret" for each in post_build.substitute_from):
        return frozenset()
    return frozenset(setting.partition("=")[0] for setting in settings) - set(post_build.substitute)


def _read(rendered: Rendered, path: Path) -> str:
    """Why there are no objects: what was read, for messages."""
    files = sorted(rendered.inputs.files)
    if not files:
        return f"'{path}' holds no *.yaml or *.yml that .sourceignore does not leave out"
    more = f" and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
    return f"there are none in {', '.join(files[:_SHOWN])}{more}"
