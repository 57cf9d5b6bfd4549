"""The cluster and namespace that a command is about, and a client for it."""

import os
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial, wraps
from random import Random
from typing import Any

import anyio
import click
from click.core import ParameterSource

from engine.cli.caller import Caller, caller_of, with_caller
from engine.cli.flags import DURATION
from engine.cli.problems import Problem
from engine.cluster import Client, connected
from engine.cluster.connect import InvalidKubeconfig, locate
from engine.cluster.endpoint import Endpoint
from engine.runtime import SystemClock

_FOLLOWS = "FLUX_NS_FOLLOWS_KUBE_CONTEXT"
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a command looks; empty kubeconfig and context as kubectl finds them."""

    kubeconfig: str
    context: str
    namespace: str
    caller: Caller = field(default_factory=Caller)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        """A client as the caller's own identity, or as whom it names.  Raises InvalidKubeconfig."""
        async with connected(self.endpoint(), SystemClock(), Random()) as client:  # noqa: S311 - jitter
            yield self.caller.asking(client)

    def endpoint(self) -> Endpoint:
        """The API server.  Raises InvalidKubeconfig."""
        return locate(self.kubeconfig, self.context, overrides=self.caller.overrides)


def with_target(function: Callable[..., Any]) -> Callable[..., Any]:
    """The command function with `--kubeconfig`, `--context`, `-n` and Flux's global flags.

    It is given a Target first.
    """
    return _targeted(function, show_default=True, help="Namespace to work in.")


def with_target_anywhere(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same of a command that is about all namespaces unless one is given."""
    return _targeted(function, show_default=False, help="Only objects of this namespace.")


def _targeted(function: Callable[..., Any], **shown: Any) -> Callable[..., Any]:
    @wraps(function)
    def called(kubeconfig: str, context: str, namespace: str, **others: Any) -> Any:
        caller = caller_of(others)
        target = _placed(Target(kubeconfig, context, namespace, caller))
        return function(target, **others)

    for option in (
        click.option(
            "-n",
            "--namespace",
            default="flux-system",
            envvar="FLUX_SYSTEM_NAMESPACE",
            **shown,
        ),
        click.option("--context", default="", help="Context of the kubeconfig, if not its own."),
        click.option(
            "--kubeconfig", default="", help="Path of a kubeconfig, if not the one of kubectl."
        ),
    ):
        called = option(called)
    return with_caller(called)


def _placed(target: Target) -> Target:
    """The target in the namespace of its context, if that is asked for.  Raises UsageError."""
    source = click.get_current_context().get_parameter_source("namespace")
    follows = target.caller.follows_context or os.environ.get(_FOLLOWS)
    if follows and source is not ParameterSource.COMMANDLINE:
        try:
            target = replace(target, namespace=target.endpoint().namespace or target.namespace)
        except InvalidKubeconfig:
            return target  # the command says so, if it needs one
    if not _LABEL.fullmatch(target.namespace):
        raise click.UsageError(f'namespace must be a valid DNS label: "{target.namespace}"')
    return target


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raises Problem if what is inside takes longer."""
    try:
        with anyio.fail_after(seconds):
            yield
    except TimeoutError:
        raise Problem(f"not done within {seconds:g}s; raise --timeout") from None


def with_timeout(default: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The command function with `--timeout`, float seconds."""
    return click.option(
        "--timeout",
        "seconds",
        type=DURATION,
        default=default,
        show_default=True,
        help="Give up after this time.",
    )


def asynchronous(function: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
    """The async command function as one that click can call."""

    @wraps(function)
    def called(*arguments: Any, **options: Any) -> Any:
        return anyio.run(partial(function, *arguments, **options))

    return called
