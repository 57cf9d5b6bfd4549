"""`lockstep doctor`: what is wrong in a cluster, why that matters, and what mends it."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
import orjson
from click.core import ParameterSource

from engine.cli import table
from engine.cli.go_flags import FluxCommand
from engine.cli.help import examples
from engine.cli.plugins import plugin_context
from engine.cli.problems import is_expected, line_of, unwrapped
from engine.cli.target import Target, asynchronous, with_target_anywhere, with_timeout, within
from engine.plugin import Context, Diagnosis, Finding, Severity, Snapshot, load
from engine.settings import Settings

_MARKS: Final = {Severity.WARNING: ("!", "yellow"), Severity.ERROR: ("✗", "red")}
_REPOSITORY: Final = "repository"
_HOME: Final = "FLUX_SYSTEM_NAMESPACE"
"""The variable that names the engine's namespace, as Flux's."""
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@dataclass(frozen=True, slots=True)
class Told:
    """What one check has found, the worst first."""

    check: str
    findings: tuple[Finding, ...]

    @property
    def severity(self) -> Severity:
        """Of the worst."""
        return max((each.severity for each in self.findings), default=Severity.OK)


@dataclass(frozen=True, slots=True)
class Report:
    """All that was found.   requests: made of the API server.   checks: how many have looked."""

    told: tuple[Told, ...]
    checks: int = 0
    requests: int = 0

    @property
    def severity(self) -> Severity:
        """Of the worst."""
        return max((each.severity for each in self.told), default=Severity.OK)

    def from_severity(self, least: Severity) -> "Report":
        """Only what matters at least as much."""
        told = (
            Told(each.check, tuple(f for f in each.findings if f.severity >= least))
            for each in self.told
        )
        kept = tuple(each for each in told if each.findings)
        return Report(kept, self.checks, self.requests)


@click.command(
    "doctor",
    cls=FluxCommand,
    epilog=examples(
        "lockstep doctor",
        "lockstep doctor -n team-a --severity error",
        "lockstep doctor --check failing --check drift -o json",
        "lockstep doctor --repository .",
    ),
)
@click.option("-A", "--all-namespaces", is_flag=True, help="As without -n: all namespaces.")
@click.option("--check", "names", multiple=True, help="Only this check (repeatable).")
@click.option("--list", "list_only", is_flag=True, help="List the checks.")
@click.option(
    "--severity",
    "least",
    type=click.Choice(["warning", "error"]),
    default="warning",
    show_default=True,
    help="The least that is told, and that counts for the exit status.",
)
@click.option("--repository", type=_FOLDER, help="Look at the files of this repository, too.")
@click.option("-o", "--output", "form", type=click.Choice(["json"]), help="Another form.")
@with_timeout("1m")
@with_target_anywhere
@click.pass_context
def command(ctx: click.Context, /, target: Target, **how: Any) -> None:
    """Look for what is wrong in a cluster, and what mends it.

    Each finding says what, why it matters, and what to do.  Nothing is written.  The exit status
    is 2 if there are errors, 1 if there are only warnings.  Without -n it is about all namespaces.
    """
    diagnoses = load().diagnoses
    if how["list_only"]:
        table.write(["CHECK"], [[name] for name in (*diagnoses, _REPOSITORY)])
        return
    unknown = [name for name in how["names"] if name not in (*diagnoses, _REPOSITORY)]
    if unknown:
        raise click.UsageError(f"no check '{unknown[0]}'; there are: {', '.join(diagnoses)}")
    is_named = ctx.get_parameter_source("namespace") is ParameterSource.COMMANDLINE
    namespace = target.namespace if is_named and not how["all_namespaces"] else ""
    wanted = {name: each for name, each in diagnoses.items() if name in (how["names"] or diagnoses)}
    report = asynchronous(examined)(target, wanted, namespace, how["seconds"])
    if how["repository"] is not None and _REPOSITORY in (how["names"] or (_REPOSITORY,)):
        report = _with_repository(report, how["repository"])
    shown = report.from_severity(Severity[how["least"].upper()])
    click.echo(_as_json(shown) if how["form"] == "json" else _for_people(shown), nl=False)
    ctx.exit(int(shown.severity))


async def examined(
    target: Target, diagnoses: Mapping[str, Diagnosis], namespace: str, seconds: float
) -> Report:
    """What all of them find, in their order; one that fails is a warning."""
    # Not the namespace that is looked at: the engine's own is another one.
    home = os.environ.get(_HOME) or Settings().runtime_namespace
    settings = Settings(
        kubeconfig=target.kubeconfig, context=target.context, runtime_namespace=home
    )
    plugins = load()
    async with target.client() as client, plugin_context(client, settings, plugins) as context:
        snapshot = Snapshot(client, context.clock.wall(), namespace)
        told = []
        with within(seconds):
            await client.document("/version")  # one error instead of one a check
            for name, diagnosis in diagnoses.items():
                found = await _findings(diagnosis, snapshot, context)
                ordered = sorted(found, key=lambda each: -each.severity)
                told.append(Told(name, tuple(ordered)))
        if snapshot.barred:
            told.append(Told("permissions", (_barred(snapshot),)))
        requests = sum(client.statistics().requests.values())
    return Report(tuple(each for each in told if each.findings), len(diagnoses), requests)


async def _findings(
    diagnosis: Diagnosis, snapshot: Snapshot, context: Context
) -> Sequence[Finding]:
    try:
        return list(await diagnosis(snapshot, context))
    except Exception as problem:
        error = unwrapped(problem)
        severity = Severity.WARNING if is_expected(error) else Severity.ERROR
        return [Finding(severity, f"could not be looked at: {line_of(error)}")]


def _barred(snapshot: Snapshot) -> Finding:
    what = "not everything could be read, so there may be more that is wrong"
    lines = tuple(dict.fromkeys(snapshot.barred))
    return Finding(Severity.WARNING, what, "use an identity that may list these", None, lines)


def _with_repository(report: Report, folder: Path) -> Report:
    from engine.cli.build_all import flaws_below

    findings = [
        Finding(each.severity, f"{each.place}: {each.what}" if each.place else each.what, each.fix)
        for each in flaws_below(folder)
    ]
    told = (*report.told, Told(_REPOSITORY, tuple(findings))) if findings else report.told
    return Report(told, report.checks + 1, report.requests)


def _for_people(report: Report) -> str:
    """Groups, the worst first; each finding with what somebody needs to act."""
    lines: list[str] = []
    for told in sorted(report.told, key=lambda each: -each.severity):
        lines += [click.style(told.check, bold=True)]
        for each in told.findings:
            mark, colour = _MARKS[each.severity]
            lines.append(f"  {click.style(mark, fg=colour)} {each.what}")
            lines += [f"      {line}" for line in each.evidence]
            lines += [f"      why: {each.matters}"] if each.matters else []
            lines += [f"      fix: {each.fix}"] if each.fix else []
        lines.append("")
    return "\n".join([*lines, _summary(report)]) + "\n"


def _summary(report: Report) -> str:
    every = [each.severity for told in report.told for each in told.findings]
    errors, warnings = every.count(Severity.ERROR), every.count(Severity.WARNING)
    counted = f"{_counted(errors, 'error')}, {_counted(warnings, 'warning')}"
    looked = f"{_counted(report.checks, 'check')}, {_counted(report.requests, 'request')}"
    return f"{counted} ({looked})" if every else f"✔ nothing is wrong ({looked})"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _as_json(report: Report) -> str:
    document = {
        "severity": report.severity.name.lower(),
        "checks": report.checks,
        "requests": report.requests,
        "findings": [_plain(told.check, each) for told in report.told for each in told.findings],
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n"


def _plain(check: str, finding: Finding) -> dict[str, Any]:
    about = finding.about
    return {
        "check": check,
        "severity": finding.severity.name.lower(),
        "object": (
            {
                "group": about.group,
                "kind": about.kind,
                "namespace": about.namespace,
                "name": about.name,
            }
            if about is not None
            else None
        ),
        "what": finding.what,
        "evidence": list(finding.evidence),
        "why": finding.matters,
        "fix": finding.fix,
    }
