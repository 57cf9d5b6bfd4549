"""The contract of extensions: what a plugin gives, and what it is given.

A plugin is a `Plugin` value: functions in dicts by key.  Built-in and third-party plugins come
through the same door, the entry-point group `lockstep.plugins`, whose entries name such a value.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from importlib.metadata import entry_points
from typing import TypeAlias

from engine.cluster import Client
from engine.settings import Settings

GROUP = "lockstep.plugins"


class Severity(IntEnum):
    """How much a finding matters; the highest decides the exit code of `check`."""

    OK = 0
    WARNING = 1
    ERROR = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found: what, about which object, and what to do."""

    severity: Severity
    what: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Context:
    """What a plugin is given: the cluster through the engine's own client, and the settings."""

    client: Client
    settings: Settings
    version: str


Check: TypeAlias = Callable[[Context], Awaitable[Iterable[Finding]]]
"""Looks at the installation; runs at `lockstep check`, under the caller's identity."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """What one distribution adds; keys are unique over all plugins."""

    name: str
    checks: Mapping[str, Check] = field(default_factory=dict)


class PluginConflict(Exception):  # noqa: N818 - says what is wrong, like a Failure
    """Two plugins claim one key, or an entry point cannot be loaded or is no Plugin."""


def merge(plugins: Iterable[Plugin]) -> Plugin:
    """One Plugin with everything of all.  Raises PluginConflict if a key is claimed twice."""
    checks: dict[str, Check] = {}
    owners: dict[str, str] = {}
    for plugin in plugins:
        for key, check in plugin.checks.items():
            if key in checks:
                raise PluginConflict(
                    f"check '{key}' is given by plugin '{owners[key]}' and by '{plugin.name}': "
                    "uninstall one of the two"
                )
            checks[key], owners[key] = check, plugin.name
    return Plugin("all", checks)


def load() -> Plugin:
    """Everything that the installed distributions give, merged.  Raises PluginConflict."""
    found = []
    for entry in sorted(entry_points(group=GROUP), key=lambda each: each.name):
        try:
            plugin = entry.load()
        except Exception as error:
            raise PluginConflict(
                f"entry point '{entry.name}' ({entry.value}) of group '{GROUP}' cannot be loaded: "
                f"{type(error).__name__}: {error}: repair or uninstall its distribution"
            ) from error
        if not isinstance(plugin, Plugin):
            raise PluginConflict(
                f"entry point '{entry.name}' ({entry.value}) of group '{GROUP}' is a "
                f"{type(plugin).__name__}, not a Plugin"
            )
        found.append(plugin)
    return merge(found)
