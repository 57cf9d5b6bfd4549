"""The cluster and namespace that a command is about, and a client for it."""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial, wraps
from random import Random
from typing import Any

import anyio
import click

from engine.cli.flags import DURATION
from engine.cli.problems import Problem
from engine.cluster import Client, connected
from engine.cluster.connect import locate
from engine.runtime import SystemClock


@dataclass(frozen=True, slots=True)
class Target:
    """Where a command looks; empty kubeconfig and context as kubectl finds them."""

    kubeconfig: str
    context: str
    namespace: str

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        """A client as the caller's own identity.  Raises InvalidKubeconfig."""
        endpoint = locate(self.kubeconfig, self.context)
        async with connected(endpoint, SystemClock(), Random()) as client:  # noqa: S311 - jitter
            yield client


def with_target(function: Callable[..., Any]) -> Callable[..., Any]:
    """The command function with `--kubeconfig`, `--context` and `-n`, given a Target first."""

    @wraps(function)
    def called(kubeconfig: str, context: str, namespace: str, **others: Any) -> Any:
        return function(Target(kubeconfig, context, namespace), **others)

    for option in (
        click.option(
            "-n",
            "--namespace",
            default="flux-system",
            show_default=True,
            envvar="FLUX_SYSTEM_NAMESPACE",
            help="Namespace to work in.",
        ),
        click.option("--context", default="", help="Context of the kubeconfig, if not its own."),
        click.option(
            "--kubeconfig", default="", help="Path of a kubeconfig, if not the one of kubectl."
        ),
    ):
        called = option(called)
    return called


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
