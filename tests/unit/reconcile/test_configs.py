from typing import Any

from engine.objects.ref import Ref
from engine.reconcile.configs import Configs

APP, WEB = (Ref("kustomize.toolkit.fluxcd.io", "Kustomization", "ns", name) for name in "ab")
VARS = Ref("", "ConfigMap", "ns", "vars")
KEY = Ref("", "Secret", "ns", "key")


def at(version: int) -> dict[str, Any]:
    return {"metadata": {"name": "vars", "resourceVersion": str(version)}}


class Woken:
    """A Configs, and who was woken since the last look."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.configs = Configs(lambda reader, why: self.names.append(f"{reader.name}: {why}"))

    def read(self, reader: Ref, version: int | None, ref: Ref = VARS) -> None:
        """version: None: there is none."""
        with self.configs.reading(reader, ref) as reading:
            reading.answered(at(version) if version is not None else None)

    def after(self, version: int, *, is_there: bool = True, ref: Ref = VARS) -> list[str]:
        self.configs.told(ref, version, is_there=is_there)
        names, self.names = self.names, []
        return names


def test_who_has_read_it_is_woken_by_another_version_and_once() -> None:
    woken = Woken()
    woken.read(APP, 5)
    woken.read(WEB, 5)

    assert woken.after(5) == woken.after(4) == []
    assert woken.after(6) == ["a: ConfigMap/ns/vars", "b: ConfigMap/ns/vars"]
    assert woken.after(7) == []

    woken.read(APP, 7)
    assert woken.after(7) == []
    assert woken.after(8) == ["a: ConfigMap/ns/vars"]


def test_one_that_was_not_there_wakes_when_it_appears_and_one_that_was_when_it_goes() -> None:
    woken = Woken()
    woken.read(APP, None)
    assert woken.after(3, is_there=False) == []
    assert woken.after(4) == ["a: ConfigMap/ns/vars"]

    woken.read(APP, 4)
    assert woken.after(5, is_there=False) == ["a: ConfigMap/ns/vars"]


def test_what_is_told_while_it_is_read_is_compared_with_the_answer() -> None:
    woken = Woken()
    with woken.configs.reading(APP, VARS) as older:
        assert woken.after(6) == []
        older.answered(at(5))
    assert woken.names == ["a: ConfigMap/ns/vars"]

    woken.names.clear()
    with woken.configs.reading(APP, VARS) as newer:
        woken.configs.told(VARS, 7, is_there=True)
        newer.answered(at(7))
    assert woken.names == []


def test_a_read_that_failed_says_nothing() -> None:
    woken = Woken()
    with woken.configs.reading(APP, VARS):
        pass

    assert woken.after(6) == []
    assert woken.configs.statistics().read == 0


def test_what_a_reader_was_woken_for_is_news_until_it_reads_it() -> None:
    woken = Woken()
    woken.read(APP, 1)
    woken.read(APP, 1, KEY)
    woken.after(2)

    assert woken.configs.news(APP) == VARS
    woken.read(APP, 1, KEY)
    assert woken.configs.news(APP) == VARS
    woken.read(APP, 2)
    assert woken.configs.news(APP) is None


def test_a_reader_that_is_gone_leaves_nothing_behind() -> None:
    woken = Woken()
    woken.read(APP, 1)
    woken.read(APP, 1, KEY)
    woken.configs.forget(APP)

    assert woken.after(2) == []
    assert repr(woken.configs) == "<Configs Statistics(read=0, readers=0)>"
