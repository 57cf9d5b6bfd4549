"""`lockstep secrets`: who can decrypt what in a repository, what is wrong, other recipients.

What the commands do is imported when they are called: their help reads only this file.
"""

from pathlib import Path
from typing import Any

import click

from engine.cli.help import examples

_PATH = click.Path(exists=True, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_KEYS = (
    click.option(
        "--age-key-file",
        type=_FILE,
        help="File with age keys.  By default those that sops would take: SOPS_AGE_KEY, "
        "SOPS_AGE_KEY_FILE, or your sops/age/keys.txt.",
    ),
    click.option(
        "--pgp-key-file",
        "pgp_key_files",
        type=_FILE,
        multiple=True,
        help="OpenPGP keys as `gpg --export-secret-keys` or `gpg --export` writes them "
        "(repeatable); your gpg keyring is not read.",
    ),
)


def _with_keys(function: Any) -> Any:
    for option in reversed(_KEYS):
        function = option(function)
    return function


@click.group(
    "secrets",
    epilog=examples(
        "lockstep secrets list",
        "lockstep secrets check clusters/production",
        "lockstep secrets rotate apps --dry-run",
    ),
)
def command() -> None:
    """Show who can decrypt what in Git, what is wrong, and rotate keys."""


@command.command(
    "list",
    short_help="List the encrypted files, and who can decrypt them.",
    epilog=examples(
        "lockstep secrets list",
        "lockstep secrets list apps --by-recipient",
        "lockstep secrets list -o json",
    ),
)
@click.argument("path", type=_PATH, default=".")
@click.option("--by-recipient", is_flag=True, help="A line for each key and file that it opens.")
@click.option("-o", "--output", "form", type=click.Choice(["json", "wide"]), help="Another form.")
def list_command(path: Path, by_recipient: bool, form: str | None) -> None:
    """List the encrypted files at or below PATH: who can decrypt them, and what does.

    No key is needed, and no cluster.
    """
    from engine.cli.secrets_list import listed

    listed(path, by_recipient=by_recipient, form=form)


@command.command(
    "check",
    epilog=examples(
        "lockstep secrets check",
        "lockstep secrets check apps --without age1rkgl84...",
        "lockstep secrets check --age-key-file ~/keys.txt -o json",
        "lockstep secrets check --cluster --context staging",
    ),
)
@click.argument("path", type=_PATH, default=".")
@click.option(
    "--without",
    metavar="RECIPIENT",
    multiple=True,
    help="Also say what breaks if this key is lost or taken away (repeatable: all of them).",
)
@_with_keys
@click.option("--cluster", is_flag=True, help="Ask the cluster whether it knows SealedSecrets.")
@click.option("--kubeconfig", default="", help="Path of a kubeconfig, if not the one of kubectl.")
@click.option("--context", default="", help="Context of the kubeconfig, if not its own.")
@click.option("-o", "--output", "form", type=click.Choice(["json"]), help="Another form.")
@click.pass_context
def check_command(ctx: click.Context, /, path: Path, form: str | None, **how: Any) -> None:
    """Look for what is wrong with the secrets at or below PATH.

    With keys at hand, files are decrypted and verified; nothing that they hold is shown.  The exit
    status is 0 if all is well, 1 for warnings (!), 2 for errors (✗).  Paths are from the root of
    the Git work tree.
    """
    from engine.cli.secrets_check import Asked, checked

    ctx.exit(checked(path, Asked(**how), as_json=form == "json"))


@command.command(
    "rotate",
    epilog=examples(
        "lockstep secrets rotate apps --dry-run",
        "lockstep secrets rotate apps/db.yaml --add age1new... --remove age1old... --new-data-key",
        "lockstep secrets rotate . --yes --all-or-nothing",
    ),
)
@click.argument("paths", type=_PATH, nargs=-1, required=True)
@click.option(
    "--to",
    metavar="RECIPIENT",
    multiple=True,
    help="Encrypt for these only (repeatable).  Without --to, --add and --remove: as the creation "
    "rules of .sops.yaml say.",
)
@click.option("--add", metavar="RECIPIENT", multiple=True, help="Encrypt for this one, too.")
@click.option("--remove", metavar="RECIPIENT", multiple=True, help="No longer for this one.")
@click.option(
    "--new-data-key",
    is_flag=True,
    help="Encrypt the values anew, too: who had the old data key cannot read later versions.",
)
@click.option("--all-or-nothing", is_flag=True, help="Write nothing if one file fails.")
@click.option("--dry-run", is_flag=True, help="Do everything but write.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before writing.")
@_with_keys
@click.pass_context
def rotate_command(ctx: click.Context, /, paths: tuple[Path, ...], **how: Any) -> None:
    """Encrypt files (and those below folders) for other recipients.

    Each file is written only after its new content was decrypted again and compared, as a whole or
    not at all; the changed files are listed.  The exit status is 1 if a file had to stay as it is.
    """
    from engine.cli.secrets_rotate import Asked, rotated

    ctx.exit(rotated(paths, Asked(**how)))
