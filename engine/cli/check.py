"""`lockstep check`: every check of every plugin, as the caller's own identity."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from typing import Any

import anyio
import click
import orjson

from engine.cli import steps, table
from engine.cli.flags import settings_of, with_some_settings
from engine.cli.go_flags import FluxCommand
from engine.cli.help import examples
from engine.cli.plugins import plugin_context
from engine.cli.problems import Problem, is_expected, line_of, unwrapped
from engine.cli.target import Target, asynchronous, with_target, with_timeout
from engine.plugin import GROUP, Check, Context, Finding, Severity, load
from engine.settings import Settings

PREREQUISITES = frozenset({"kubernetes", "permissions"})
"""Checks that need no installation."""
_MARKS = {
    Severity.OK: ("✔", "green"),
    Severity.WARNING: ("!", "yellow"),
    Severity.ERROR: ("✗", "red"),
}


@dataclass(frozen=True, slots=True)
class Told:
    """A finding, and the check that found it."""

    check: str
    finding: Finding


@click.command(
    "check",
    cls=FluxCommand,
    epilog=examples(
        "lockstep check",
        "lockstep check --pre",
        "lockstep check --context staging -o json",
        "lockstep check --tenancy strict",
        "lockstep check --list",
    ),
)
@click.option("--list", "list_only", is_flag=True, help="List the checks and who gives them.")
@click.option("--pre", "pre_only", is_flag=True, help="Only what an installation needs.")
@click.option("-o", "--output", type=click.Choice(["json"]), help="Another form.")
@with_some_settings(
    "tenancy", "default_service_account", "watch_all_namespaces", "events_addr", "receiver_addr"
)
@with_timeout("30s")
@with_target
@click.pass_context
def command(
    ctx: click.Context,
    /,
    target: Target,
    list_only: bool,
    pre_only: bool,
    output: str | None,
    seconds: float,
    **values: Any,
) -> None:
    """Look at the installation and say what is wrong with it.

    The settings are those that the engine runs with, or will.  The exit status is 1 if anything is
    wrong: a warning (!) is not, an error (✗) is.
    """
    if list_only:
        table.write(["CHECK", "PLUGIN", "DISTRIBUTION"], listed())
        return
    only = PREREQUISITES if pre_only else None
    found = asynchronous(look)(target, seconds, settings_of(values), only)
    _write(found, as_json=output == "json")
    worst = max((each.finding.severity for each in found), default=Severity.OK)
    if pre_only and worst is not Severity.ERROR:
        steps.done("prerequisites checks passed", on_the_way=True)
    ctx.exit(int(worst is Severity.ERROR))


def listed() -> list[list[str]]:
    """Of each check its key, its plugin and the distribution.  Raises PluginConflict."""
    keys = load().checks
    rows = []
    for entry in entry_points(group=GROUP):
        plugin = entry.load()
        distribution = entry.dist.name if entry.dist is not None else ""
        rows += [[key, plugin.name, distribution] for key in plugin.checks]
    return sorted(rows, key=lambda row: list(keys).index(row[0]))


async def look(
    target: Target, seconds: float, settings: Settings, only: Collection[str] | None = None
) -> list[Told]:
    """What all checks find, in their order; a check that fails is itself an error.

    settings: of the engine.   only: keys of those that are wanted; None: all.
    """
    settings = replace(
        settings,
        kubeconfig=target.kubeconfig,
        context=target.context,
        runtime_namespace=target.namespace,
    )
    plugins = load()
    async with target.client() as client, plugin_context(client, settings, plugins) as context:
        await _reach(context, seconds)
        told: list[Told] = []
        chosen = {k: each for k, each in plugins.checks.items() if only is None or k in only}
        for key, check in chosen.items():
            told += [Told(key, each) for each in await _findings(check, context, seconds)]
    return told


async def _reach(context: Context, seconds: float) -> None:
    """Raises Problem or Unreachable without an API server: one error instead of one a check."""
    try:
        with anyio.fail_after(seconds):
            await context.client.document("/version")
    except TimeoutError:
        host = context.client.endpoint.host
        raise Problem(f"{host} does not answer within {seconds:g}s; raise --timeout") from None


async def _findings(check: Check, context: Context, seconds: float) -> Iterable[Finding]:
    try:
        with anyio.fail_after(seconds):
            return list(await check(context))
    except TimeoutError:
        return [Finding(Severity.ERROR, f"no result within {seconds:g}s", "raise --timeout")]
    except Exception as problem:
        error = unwrapped(problem)
        severity = Severity.WARNING if is_expected(error) else Severity.ERROR
        return [Finding(severity, f"could not be looked at: {line_of(error)}")]


def _write(found: Sequence[Told], *, as_json: bool) -> None:
    if as_json:
        click.echo(orjson.dumps([_plain(each) for each in found], option=orjson.OPT_INDENT_2))
        return
    for each in found:
        mark, colour = _MARKS[each.finding.severity]
        fix = f"; {each.finding.fix}" if each.finding.fix else ""
        click.echo(f"{click.style(mark, fg=colour)} {each.check}: {each.finding.what}{fix}")


def _plain(told: Told) -> dict[str, str]:
    finding = told.finding
    severity = finding.severity.name.lower()
    return {"check": told.check, "severity": severity, "what": finding.what, "fix": finding.fix}
