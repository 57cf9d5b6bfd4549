from collections.abc import Iterable
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from engine import plugin
from engine.plugin import GROUP, Context, Finding, Plugin, PluginConflict, Severity, load, merge


async def check(_: Context) -> Iterable[Finding]:
    return []


def test_merging_keeps_every_check() -> None:
    merged = merge([Plugin("a", {"one": check}), Plugin("b", {"two": check}), Plugin("c")])

    assert merged.checks == {"one": check, "two": check}


def test_nothing_merged_is_nothing() -> None:
    assert merge([]).checks == {}


def test_a_key_that_two_plugins_claim_is_a_conflict_that_names_both() -> None:
    with pytest.raises(PluginConflict, match="check 'one' is given by plugin 'a' and by 'b'"):
        merge([Plugin("a", {"one": check}), Plugin("b", {"one": check})])


def test_errors_are_worse_than_warnings() -> None:
    assert max(Severity.OK, Severity.ERROR, Severity.WARNING) is Severity.ERROR


def entry(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def entry_points(**_: Any) -> list[EntryPoint]:
        return [EntryPoint(name, value, GROUP)]

    monkeypatch.setattr(plugin, "entry_points", entry_points)


def test_an_entry_point_gives_its_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    entry("mine", "plugins:PLUGIN", monkeypatch)

    assert "leases" in load().checks


def test_an_entry_point_that_is_no_plugin_is_a_conflict(monkeypatch: pytest.MonkeyPatch) -> None:
    entry("mine", "plugins.checks.leases:check", monkeypatch)

    with pytest.raises(PluginConflict, match=r"'mine' .* is a function, not a Plugin"):
        load()


def test_an_entry_point_that_cannot_be_loaded_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    entry("mine", "plugins:GONE", monkeypatch)

    with pytest.raises(PluginConflict, match=r"'mine' \(plugins:GONE\) .* cannot be loaded: Attri"):
        load()
