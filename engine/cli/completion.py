"""`lockstep completion`: the script with which a shell completes commands, kinds and names."""

import click
from click.shell_completion import get_completion_class

from engine.cli.help import examples
from engine.cli.problems import Problem

_VARIABLE = "_LOCKSTEP_COMPLETE"


@click.command(
    "completion",
    epilog=examples(
        "lockstep completion bash",
        ". <(lockstep completion bash)",
        "lockstep completion fish > ~/.config/fish/completions/lockstep.fish",
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish", "powershell"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the script with which a shell completes words.

    It completes commands, kinds and names of objects.
    Names of objects come from the cluster of the current kubeconfig, where it answers at once.
    """
    made = get_completion_class(shell)
    if made is None:
        raise Problem(
            f"the installed click has no completion for {shell}: use a newer one, or bash"
        )
    root = ctx.find_root()
    click.echo(made(root.command, {}, root.info_name or "lockstep", _VARIABLE).source())
