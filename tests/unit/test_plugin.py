from collections.abc import Iterable
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from engine import plugin
from engine.plugin import (
    GROUP,
    Context,
    Decryptor,
    Finding,
    Plugin,
    PluginConflict,
    Purpose,
    Scope,
    Severity,
    Token,
    load,
    merge,
)


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


async def identity(*_: Any) -> Token:
    return Token("t")


async def opened(*_: Any) -> Any:
    return b""


SAFE = Decryptor(opened, opened, lambda _: frozenset())


def test_merging_keeps_decryptors_and_identities() -> None:
    merged = merge(
        [
            Plugin("a", decryptors={"age": SAFE}, identities={"aws": identity}),
            Plugin("b", decryptors={"kms": SAFE}),
        ]
    )

    assert (list(merged.decryptors), list(merged.identities)) == (["age", "kms"], ["aws"])


@pytest.mark.parametrize(
    ("family", "given"),
    [("decryptor", {"decryptors": {"kms": SAFE}}), ("identity", {"identities": {"kms": identity}})],
)
def test_a_service_that_two_plugins_claim_is_a_conflict(family: str, given: Any) -> None:
    with pytest.raises(PluginConflict, match=f"{family} 'kms' is given by plugin 'a' and by 'b'"):
        merge([Plugin("a", **given), Plugin("b", **given)])


def test_the_key_of_a_scope_tells_secrets_apart_and_shows_none() -> None:
    keys = {
        Scope(Purpose.GIT, secret=secret).key
        for secret in ({"a": b"bc"}, {"ab": b"c"}, {"a": b"b", "c": b""}, {})
    }

    assert len(keys) == 4
    assert "bc" not in repr(keys)


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
