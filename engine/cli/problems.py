"""Errors as people read them, in one line: what; why; what to do."""

import os
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import click

INTERRUPTED = 130
"""The exit status after a SIGINT, as shells report it: 128 + its number."""

_SEE_TARGET = "see --kubeconfig and --context"
_BUG = "this is a bug in Lockstep; run it with LOCKSTEP_DEBUG=1 for the traceback"

_EXPECTED: Mapping[str, str] = {
    "engine.errors.Failure": "",
    "engine.objects.yaml_error.ManifestError": "",
    "engine.api.decode.Undecodable": "",
    "engine.cluster.errors.Unreachable": f"is this cluster running? {_SEE_TARGET}",
    "engine.cluster.errors.Unauthorized": f"renew the credentials, or {_SEE_TARGET}",
    "engine.cluster.errors.Forbidden": "ask for that permission, or use another --context",
    "engine.cluster.errors.NotFound": (
        "if Flux's definitions are missing, `lockstep run --install-crds` installs them"
    ),
    "engine.cluster.errors.ApiError": "",
    "engine.cluster.errors.LeaseLost": (
        "nothing more was written; start again, it waits until the Leases are free"
    ),
    "engine.cluster.terms.UnfitTerms": "",
    "engine.cluster.discovery.UnknownKind": (
        "if Flux's definitions are missing, `lockstep run --install-crds` installs them"
    ),
    "engine.cluster.kubeconfig.InvalidKubeconfig": _SEE_TARGET,
    "engine.plugin.PluginConflict": "",
    "engine.plugin.KeyUnavailable": "",
    "engine.plugin.TokenUnavailable": "",
    "engine.serve.http.BadAddress": (
        "the flags are --health-addr, --metrics-addr, --storage-addr, --receiver-addr and "
        "--events-listen-addr"
    ),
    "builtins.OSError": "",
}
"""{class: what to do}: errors that are not bugs.  By name, so that nothing is imported for it."""


class Problem(click.ClickException):
    """A command cannot do what it was asked to; the text says what, why and what to do."""


def unwrapped(error: BaseException) -> BaseException:
    """The one error that matters: task groups wrap theirs in groups.

    Of several, the first that is not a bug.
    """
    if not isinstance(error, BaseExceptionGroup):
        return error
    members = [unwrapped(each) for each in error.exceptions]
    return next((each for each in members if is_expected(each)), members[0])


def is_expected(error: BaseException) -> bool:
    """Whether this can happen without a mistake in our code."""
    return isinstance(error, click.ClickException) or _advice(error) is not None


def line_of(error: BaseException) -> str:
    """The text of an error, in one line."""
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else "lockstep"
        return f"{_one_line(error.format_message())}; see `{path} --help`"
    if isinstance(error, click.ClickException):
        return _one_line(error.format_message())
    text, advice = _one_line(_text(error)), _advice(error)
    if advice is None:
        return f"unexpected {type(error).__name__}: {text}; {_BUG}"
    return f"{text}; {advice}" if advice else text


def _advice(error: BaseException) -> str | None:
    """What to do, None for an error that nobody expects."""
    for each in type(error).__mro__:
        advice = _EXPECTED.get(f"{each.__module__}.{each.__qualname__}")
        if advice is not None:
            return advice
    return None


def _text(error: BaseException) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{str(error.filename)!r}: {error.strerror}"
    return str(error)


def _one_line(text: str) -> str:
    whole = ""
    for line in text.splitlines():
        joint = " " if whole.endswith((":", ",")) else "; "  # of a list, or of sentences
        if found := line.strip().rstrip("."):
            whole += joint + found if whole else found
    return whole


class Undecided(Problem):
    """A comparison cannot be made: status 2, as 1 says that there are differences."""

    exit_code = 2


@contextmanager
def undecided() -> Iterator[None]:
    """Has whatever goes wrong inside end with status 2, not 1."""
    try:
        yield
    except (click.UsageError, click.exceptions.Exit, click.Abort):
        raise
    except Exception as problem:
        error = unwrapped(problem)
        if os.environ.get("LOCKSTEP_DEBUG"):
            traceback.print_exception(problem)
        raise Undecided(line_of(error)) from problem
