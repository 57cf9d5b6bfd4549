"""`lockstep diff`: what a change would do, before it is made."""

from engine.cli.groups import Table, TableGroup
from engine.cli.help import examples

_COMMANDS: Table = {
    "kustomization": (
        "engine.cli.diff_kustomization",
        "Show what applying a Kustomization would change in the cluster.",
    ),
    "ks": ("engine.cli.diff_kustomization", "The same."),
    "all": (
        "engine.cli.diff_all",
        "Show what a commit changes in every Kustomization of a folder.",
    ),
}

command = TableGroup(
    "diff",
    _COMMANDS,
    help="""Show what a change would do, before it is made.

    Exit status: 0 nothing would change, 1 something would, 2 that is not known.
    """,
    epilog=examples(
        "lockstep diff kustomization apps --path ./apps/production",
        "lockstep diff all ./clusters/production --base origin/main",
    ),
)
