import dataclasses
from collections import Counter
from typing import Any

import click
import pytest
from click.testing import CliRunner

from engine.cli.flags import (
    _CHOICES,
    SECTIONS,
    format_size,
    plain_flags,
    settings_of,
    with_settings,
)
from engine.cli.run import RunCommand
from engine.settings import Settings
from engine.telemetry import LEVELS


def settings(*arguments: str, **environment: str) -> Settings:
    """What `lockstep run` would run with."""
    seen: list[Settings] = []

    @click.command("run", cls=RunCommand)
    @with_settings
    def command(**values: Any) -> None:
        seen.append(settings_of(values))

    result = CliRunner(env=environment).invoke(command, arguments, catch_exceptions=False)
    if not seen:
        raise ValueError(result.stderr)
    return seen[0]


def test_without_flags_the_defaults_hold() -> None:
    assert settings() == Settings()


def test_every_setting_stands_in_one_section_of_the_help() -> None:
    listed = Counter(name for names in SECTIONS.values() for name in names)

    assert listed == Counter(each.name for each in dataclasses.fields(Settings))


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["--concurrent-ssa", "9"], {"concurrent_ssa": 9}),
        (["--concurrent-builds", "0"], {"concurrent_builds": 0}),
        (["--requeue-dependency", "1m30s"], {"requeue_dependency": 90.0}),
        (["--requeue-dependency=5s"], {"requeue_dependency": 5.0}),
        (["--git-max-pack-bytes", "2Gi"], {"git_max_pack_bytes": 2**31}),
        (["--git-max-pack-bytes", "77"], {"git_max_pack_bytes": 77}),
        (["--install-crds"], {"install_crds": True}),
        (["--install-crds=true"], {"install_crds": True}),
        (["--install-crds=True"], {"install_crds": True}),
        (["--no-watch-all-namespaces"], {"watch_all_namespaces": False}),
        (["--watch-all-namespaces=false"], {"watch_all_namespaces": False}),
        (["--no-cross-namespace-refs"], {"no_cross_namespace_refs": True}),
        (["--no-cross-namespace-refs=true"], {"no_cross_namespace_refs": True}),
        (["--no-cross-namespace-refs=false"], {"no_cross_namespace_refs": False}),
        (["--cross-namespace-refs"], {"no_cross_namespace_refs": False}),
        (["--override-manager", "a", "--override-manager=b"], {"override_manager": ("a", "b")}),
        (["--override-manager", "a, b"], {"override_manager": ("a", "b")}),
        (["--trace-ratio", "0.1"], {"trace_ratio": 0.1}),
        (["-n", "gitops"], {"runtime_namespace": "gitops"}),
        (["--runtime-namespace", "gitops"], {"runtime_namespace": "gitops"}),
        (["--log-level", "trace"], {"log_level": "trace"}),
    ],
)
def test_a_flag_sets_its_setting(arguments: list[str], wanted: dict[str, Any]) -> None:
    assert settings(*arguments) == dataclasses.replace(Settings(), **wanted)


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({"LOCKSTEP_CONCURRENT_SSA": "9"}, {"concurrent_ssa": 9}),
        ({"LOCKSTEP_STAGE_TIMEOUT": "2m"}, {"stage_timeout": 120.0}),
        ({"LOCKSTEP_ARTIFACT_MAX_BYTES": "5Ki"}, {"artifact_max_bytes": 5120}),
        ({"LOCKSTEP_WATCH_ALL_NAMESPACES": "false"}, {"watch_all_namespaces": False}),
        ({"LOCKSTEP_PRUNE_BRAKE": "0"}, {"prune_brake": False}),
        (
            {"LOCKSTEP_CUSTOM_APPLY_STAGE_KINDS": "a/B,c/D"},
            {"custom_apply_stage_kinds": ("a/B", "c/D")},
        ),
        ({"RUNTIME_NAMESPACE": "gitops"}, {"runtime_namespace": "gitops"}),
        ({"FLUX_SYSTEM_NAMESPACE": "gitops"}, {"runtime_namespace": "gitops"}),
    ],
)
def test_a_variable_sets_its_setting(environment: dict[str, str], wanted: dict[str, Any]) -> None:
    assert settings(**environment) == dataclasses.replace(Settings(), **wanted)


def test_every_setting_has_its_variable() -> None:
    command = with_settings(lambda: None)
    variables = {each.name: each.envvar for each in command.__click_params__}  # type: ignore[attr-defined]

    for each in dataclasses.fields(Settings):
        assert variables[each.name][0] == f"LOCKSTEP_{each.name.upper()}"


def test_a_flag_goes_before_a_variable() -> None:
    assert settings("--concurrent", "3", LOCKSTEP_CONCURRENT="5").concurrent == 3


@pytest.mark.parametrize(
    ("argument", "problem"),
    [
        ("--requeue-dependency=5", "'5' is not a duration such as 90s, 10m or 1h30m"),
        ("--requeue-dependency=-5s", "'-5s' is negative"),
        ("--artifact-max-bytes=5M", "'5M' is not a size such as 512Mi or 2Gi"),
        ("--install-crds=perhaps", "'perhaps' is neither true nor false"),
        ("--concurrent=0", "0 is not in the range x>=1"),
        ("--concurrent-ssa=0", "0 is not in the range x>=1"),
        ("--interval-jitter-percentage=100", "100 is not in the range 0<=x<=99"),
        ("--log-level=loud", "'loud' is not one of 'trace', 'debug', 'info', 'error'"),
    ],
)
def test_a_bad_value_is_refused_with_what_it_should_be(argument: str, problem: str) -> None:
    with pytest.raises(ValueError, match="Invalid value") as refused:
        settings(argument)

    assert problem in str(refused.value)


def test_other_arguments_pass_through() -> None:
    ctx = click.Context(click.Command("run"))

    assert plain_flags(["--context=true", "x=false", "--"], ctx) == [
        "--context=true",
        "x=false",
        "--",
    ]


def test_the_log_levels_are_those_of_the_logs() -> None:
    assert tuple(LEVELS) == _CHOICES["log_level"]


@pytest.mark.parametrize(("size", "text"), [(512 * 2**20, "512Mi"), (2**31, "2Gi"), (1000, "1000")])
def test_a_size_is_shown_in_the_largest_unit_that_fits(size: int, text: str) -> None:
    assert format_size(size) == text


def test_the_help_shows_defaults_as_they_are_written() -> None:
    @click.command("run", cls=RunCommand)
    @with_settings
    def command(**_: Any) -> None: ...

    text = " ".join(CliRunner().invoke(command, ["--help"]).output.split())

    assert "[default: 512Mi]" in text
    assert "[default: 50s]" in text
    assert "One writer:" in text
