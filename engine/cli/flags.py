"""Every setting as a flag `--a-b` and as a variable `LOCKSTEP_A_B`."""

import dataclasses
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import click

from engine.api.duration import format_duration, parse_duration
from engine.settings import PREFIX, Settings

SECTIONS: Mapping[str, Sequence[str]] = {
    "Cluster and scope": (
        "kubeconfig",
        "context",
        "runtime_namespace",
        "watch_all_namespaces",
        "watch_label_selector",
        "watch_configs_label_selector",
        "disable_config_watchers",
        "sources",
        "install_crds",
    ),
    "Storage and addresses": (
        "storage_path",
        "storage_addr",
        "storage_adv_addr",
        "metrics_addr",
        "health_addr",
        "events_addr",
        "receiver_addr",
        "events_listen_addr",
        "rate_limit_interval",
        "notification_queue_bytes",
        "artifact_retention_ttl",
        "artifact_retention_records",
    ),
    "Pace": (
        "concurrent",
        "concurrent_ssa",
        "concurrent_fetches",
        "ssh_kex_algos",
        "ssh_hostkey_algos",
        "ssh_idle_timeout",
        "concurrent_builds",
        "api_concurrency",
        "api_concurrency_least",
        "api_watches",
        "api_answer_bytes",
        "api_answer_timeout",
        "api_list_objects",
        "request_timeout",
        "interval_jitter_percentage",
        "requeue_dependency",
        "verify_interval",
        "min_retry_delay",
        "max_retry_delay",
        "stage_timeout",
        "http_retry",
        "status_heartbeat",
    ),
    "Apply and prune": (
        "field_manager",
        "override_manager",
        "custom_apply_stage_kinds",
        "migrate_api_version",
        "prune_brake",
        "strict_substitutions",
        "additive_cel_dependency_check",
    ),
    "Tenancy": (
        "tenancy",
        "no_cross_namespace_refs",
        "no_remote_bases",
        "no_local_addresses",
        "allowed_local_addresses",
        "default_service_account",
        "impersonation_mark",
    ),
    "Other clusters": (
        "remote_clusters",
        "remote_answer_bytes",
        "remote_answer_timeout",
        "remote_list_objects",
        "after_partition",
        "default_kubeconfig_service_account",
        "insecure_kubeconfig_exec",
        "insecure_kubeconfig_tls",
    ),
    "Keys and identities": (
        "object_level_workload_identity",
        "default_decryption_service_account",
        "sops_age_secret",
        "sops_verify_mac",
        "data_key_max_age",
        "sops_vault_configmap",
        "sops_vault_addresses",
        "azure_vault_suffixes",
        "token_cache_max_size",
        "token_cache_max_duration",
    ),
    "One writer": (
        "enable_leader_election",
        "leader_election_release_on_cancel",
        "leader_election_lease_duration",
        "leader_election_renew_deadline",
        "leader_election_retry_period",
    ),
    "Operation": (
        "log_level",
        "log_encoding",
        "graceful_shutdown_timeout",
        "otlp_endpoint",
        "trace_ratio",
    ),
    "Limits": (
        "git_max_pack_bytes",
        "git_max_inflated_bytes",
        "artifact_max_bytes",
        "build_timeout",
        "build_memory_bytes",
        "build_cache_bytes",
    ),
}
"""How the help of `run` groups the settings; a test keeps it complete."""

_CHOICES: Mapping[str, Sequence[str]] = {
    "tenancy": ("flux", "strict"),
    "after_partition": ("apply", "warn", "hold"),
    "sources": ("git", "none"),
    "log_level": ("trace", "debug", "info", "error"),
    "log_encoding": ("json", "console"),
}
_ALIASES: Mapping[str, Sequence[str]] = {
    "runtime_namespace": ("-n", "--namespace"),
}
_VARIABLES: Mapping[str, Sequence[str]] = {
    "runtime_namespace": ("RUNTIME_NAMESPACE", "FLUX_SYSTEM_NAMESPACE"),  # what Flux reads
}
_POSITIVE = (
    "concurrent",
    "concurrent_ssa",
    "concurrent_fetches",
    "api_concurrency",
    "api_concurrency_least",
    "api_watches",
)
_UNITS: Mapping[str, int] = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
_TRUE, _FALSE = ("true", "t", "1"), ("false", "f", "0")  # strconv.ParseBool's, in any case


class DurationType(click.ParamType[float]):
    """A Go duration, as float seconds."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Seconds; fails for anything below zero or without a unit."""
        if isinstance(value, float | int):
            return float(value)
        try:
            seconds = parse_duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if seconds < 0:
            self.fail(f"{value!r} is negative", param, ctx)
        return seconds


class SizeType(click.ParamType[int]):
    """Bytes, with Ki, Mi or Gi."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Bytes as a whole number."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d+)(Ki|Mi|Gi|)", str(value).strip())
        if match is None:
            self.fail(f"{value!r} is not a size such as 512Mi or 2Gi", param, ctx)
        return int(match[1]) * _UNITS[match[2]]


class ListType(click.ParamType[tuple[str, ...]]):
    """One or more texts with commas between them, as Flux's flags take them."""

    name = "text"
    envvar_list_splitter = ","

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """The texts, without blanks around them."""
        if isinstance(value, tuple):
            return value
        return tuple(part.strip() for part in str(value).split(",") if part.strip())


DURATION, SIZE, LIST = DurationType(), SizeType(), ListType()


def format_size(size: int) -> str:
    """The size in the largest unit that divides it: 536870912 is `512Mi`."""
    unit = next(u for u in ("Gi", "Mi", "Ki", "") if size % _UNITS[u] == 0)
    return f"{size // _UNITS[unit]}{unit}"


def with_settings(function: Callable[..., Any]) -> Callable[..., Any]:
    """The command function with a flag for each setting; see `settings_of`."""
    return with_some_settings(*(each.name for each in dataclasses.fields(Settings)))(function)


def with_some_settings(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The same with a flag for each of these settings."""

    def flagged(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(list(_options(names))):
            function = option(function)
        return function

    return flagged


def settings_of(values: Mapping[str, Any]) -> Settings:
    """The Settings that the flags' values are."""
    names = {each.name for each in dataclasses.fields(Settings)}
    given = {name: value for name, value in values.items() if name in names}
    for name in given:
        if isinstance(given[name], tuple):
            given[name] = tuple(text for texts in given[name] for text in texts)
    return Settings(**given)


def plain_flags(arguments: Sequence[str], ctx: click.Context) -> list[str]:
    """The arguments with Flux's `--x=true` as `--x` and `--x=false` as `--no-x`.

    Raises click.BadParameter for `--x=` and something else, where x is true or false.
    """
    switches = {_flag(each.name) for each in dataclasses.fields(Settings) if each.type is bool}
    return [_plain_flag(argument, switches, ctx) for argument in arguments]


def _plain_flag(argument: str, switches: set[str], ctx: click.Context) -> str:
    flag, equals, value = argument.partition("=")
    if not equals or flag not in switches:
        return argument
    if value.lower() in _TRUE:
        return flag
    if value.lower() in _FALSE:
        return _opposite(flag)
    raise click.BadParameter(f"{value!r} is neither true nor false", ctx, param_hint=flag)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _opposite(flag: str) -> str:
    """`--no-x` of `--x`, `--x` of `--no-x`."""
    return f"--{flag[5:]}" if flag.startswith("--no-") else f"--no-{flag[2:]}"


def _options(
    names: Collection[str],
) -> Iterator[Callable[[Callable[..., Any]], Callable[..., Any]]]:
    for each in dataclasses.fields(Settings):
        if each.name not in names:
            continue
        flag = _flag(each.name)
        if each.type is bool:
            flag += f"/{_opposite(flag)}"
        variables = [PREFIX + each.name.upper(), *_VARIABLES.get(each.name, ())]
        yield click.option(
            each.name,
            *_ALIASES.get(each.name, ()),
            flag,
            default=_written(each),
            help=each.metadata["meaning"],
            envvar=variables,
            multiple=each.type == tuple[str, ...],
            show_default=each.default not in ("", ()),
            type=_type_of(each),
        )


def _type_of(setting: "dataclasses.Field[Any]") -> click.ParamType[Any]:
    name, kind = setting.name, setting.metadata["kind"]
    if kind:
        return DURATION if kind == "duration" else SIZE
    if name in _CHOICES:
        return click.Choice(_CHOICES[name])
    if setting.type is bool:
        return click.BOOL
    if setting.type is int:
        highest = 99 if name.endswith("_percentage") else None
        return click.IntRange(min=1 if name in _POSITIVE else 0, max=highest)
    if setting.type is float:
        return click.FloatRange(0.0, 1.0)  # a ratio: durations were told above
    return LIST if setting.type == tuple[str, ...] else click.STRING


def _written(setting: "dataclasses.Field[Any]") -> Any:
    """The default as one would write it, so that the help shows it so."""
    kind: str = setting.metadata["kind"]
    default: Any = setting.default
    if kind == "duration":
        return format_duration(default)
    return format_size(default) if kind == "size" else default
