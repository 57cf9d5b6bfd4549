"""Who asks the API server, and which one: the flags of `global_flags` put into effect."""

from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import click

from engine.cli.global_flags import FLAGS
from engine.cluster import Client
from engine.cluster.overrides import NO_OVERRIDES, Overrides


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks; by default whoever the kubeconfig says.

    user: whom to act as.   more: other headers of that, as `Client.impersonating` takes them.
    """

    overrides: Overrides = NO_OVERRIDES
    user: str = ""
    more: Mapping[str, str] = field(default_factory=dict)
    follows_context: bool = False  #: works in the namespace of the context

    def asking(self, client: Client) -> Client:
        """The client, acting as whom it is to act as."""
        return client.impersonating(self.user, self.more) if self.user else client


def with_caller(function: Callable[..., Any]) -> Callable[..., Any]:
    """The command function with the flags; see `caller_of`.  The help of `lockstep` lists them."""
    for flag in reversed(FLAGS):
        how: dict[str, Any] = {"is_flag": True} if not flag.metavar else {"default": ""}
        if flag.is_repeated:
            how = {"multiple": True}
        function = click.option(
            f"--{flag.name}", flag.parameter, hidden=True, help=flag.help, **how
        )(function)
    return function


def caller_of(given: MutableMapping[str, Any]) -> Caller:
    """The Caller that the flags describe; takes them out of `given`.  Raises click.UsageError."""
    values = {flag.name: given.pop(flag.parameter, None) for flag in FLAGS}
    overrides = Overrides(
        cluster=values["cluster"] or "",
        user=values["user"] or "",
        server=values["server"] or "",
        server_name=values["tls-server-name"] or "",
        authority=values["certificate-authority"] or "",
        unverified_tls=bool(values["insecure-skip-tls-verify"]),
        certificate=values["client-certificate"] or "",
        key=values["client-key"] or "",
        token=values["token"] or "",
    )
    if overrides.authority and overrides.unverified_tls:
        raise click.UsageError(
            "--certificate-authority and --insecure-skip-tls-verify: give one of them"
        )
    more = _more(values)
    if more and not values["as"]:
        raise click.UsageError("--as-group, --as-uid and --as-user-extra need --as")
    follows = bool(values["ns-follows-kube-context"])
    return Caller(overrides, values["as"] or "", more, follows)


def _more(values: Mapping[str, Any]) -> dict[str, str]:
    """Headers; of several values each stands in its own line."""
    more = {}
    if values["as-uid"]:
        more["Impersonate-Uid"] = values["as-uid"]
    if values["as-group"]:
        more["Impersonate-Group"] = "\n".join(values["as-group"])
    extras: dict[str, list[str]] = {}
    for text in values["as-user-extra"] or ():
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise click.UsageError(f"--as-user-extra '{text}' must be in format KEY=VALUE")
        extras.setdefault(quote(key.lower(), safe=""), []).append(value)
    return more | {f"Impersonate-Extra-{key}": "\n".join(each) for key, each in extras.items()}
