"""The flags that Flux's CLI takes with every command, before its name or after it.

A table, and no more: `lockstep --help` reads it.
Source: flux2 cmd/flux/main.go; k8s.io/cli-runtime genericclioptions (ConfigFlags).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import click


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag beyond -n, --context, --kubeconfig and --timeout, which commands declare themselves.

    metavar: empty: it is a switch.   has_effect: False: it tunes what is done otherwise here.
    """

    name: str
    metavar: str
    help: str
    is_repeated: bool = False
    has_effect: bool = True

    @property
    def parameter(self) -> str:
        """Its name in Python; a command may have a flag of its own that is called the same."""
        return f"caller_{self.name.replace('-', '_')}"


FLAGS: Sequence[Flag] = (
    Flag("as", "USER", "Act as this user."),
    Flag("as-group", "GROUP", "And as a member of this group (repeatable).", is_repeated=True),
    Flag("as-uid", "UID", "And with this uid."),
    Flag("as-user-extra", "KEY=VALUE", "And with this extra value (repeatable).", is_repeated=True),
    Flag("server", "URL", "Address of the API server."),
    Flag("tls-server-name", "NAME", "The name in its certificate, if not that of its address."),
    Flag("certificate-authority", "FILE", "Authority that signed its certificate."),
    Flag("insecure-skip-tls-verify", "", "Do not verify its certificate: anybody may answer."),
    Flag("token", "TOKEN", "Prove with this token who asks."),
    Flag("client-certificate", "FILE", "Prove with this certificate who asks."),
    Flag("client-key", "FILE", "Its key."),
    Flag("cluster", "NAME", "Cluster of the kubeconfig, if not its context's."),
    Flag("user", "NAME", "User of the kubeconfig, if not its context's."),
    Flag("ns-follows-kube-context", "", "Work in the namespace of the context, if it names one."),
    Flag("verbose", "", "", has_effect=False),
    Flag("cache-dir", "FOLDER", "", has_effect=False),
    Flag("disable-compression", "", "", has_effect=False),
    Flag("kube-api-qps", "NUMBER", "", has_effect=False),
    Flag("kube-api-burst", "NUMBER", "", has_effect=False),
)
PARAMETERS = frozenset(flag.parameter for flag in FLAGS)
_COMMON = ("-n", "--namespace", "--context", "--kubeconfig", "--timeout")
_TAKES_VALUE: Mapping[str, bool] = {
    **dict.fromkeys(_COMMON, True),
    **{f"--{flag.name}": bool(flag.metavar) for flag in FLAGS},
}


def rows() -> list[tuple[str, str]]:
    """What the help says of them."""
    own = [
        ("-n, --namespace NAMESPACE", "Namespace to work in."),
        ("--kubeconfig FILE", "Kubeconfig, if not the one of kubectl."),
        ("--context NAME", "Context of the kubeconfig, if not its own."),
        ("--timeout DURATION", "Give up after this time."),
    ]
    return own + [(f"--{f.name} {f.metavar}".strip(), f.help) for f in FLAGS if f.has_effect]


def relocated(group: click.Group, ctx: click.Context, args: Sequence[str]) -> list[str]:
    """The arguments with the flags that stand before the last command word right behind it.

    So the command reads them, as if they had been given to it first.
    """
    moved: list[str] = []
    words: list[str] = []
    command: click.Command | None = group
    place = 0
    while place < len(args):
        length = _length(args[place])
        if length:
            moved += args[place : place + length]
            place += length
            continue
        if not isinstance(command, click.Group) or args[place].startswith("-"):
            break
        command = command.get_command(ctx, args[place])
        words.append(args[place])
        place += 1
        if not isinstance(command, click.Group):
            break
    return [*words, *moved, *args[place:]]


def _length(arg: str) -> int:
    """How many arguments a flag takes, itself included; 0 if it is none of these."""
    name, equals, _ = arg.partition("=")
    if name in _TAKES_VALUE:
        return 2 if _TAKES_VALUE[name] and not equals else 1
    return int(arg.startswith("-n") and len(arg) > 2)  # -nteam-a
