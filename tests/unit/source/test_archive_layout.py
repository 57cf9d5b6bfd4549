"""Which entries are packed together."""

from collections.abc import Mapping

from engine.source.archive_layout import Group, lay_out
from engine.source.failures import GitError
from engine.source.tree import Entry, MemoryTree


def files(**changed: bytes) -> dict[str, bytes]:
    """200 folders of 10 files, and one folder of 500."""
    found = {f"apps/app-{n // 10:03}/{n % 10}.yaml": b"%d" % n for n in range(2000)}
    found |= {f"flat/{n:03}.yaml": b"%d" % n for n in range(500)}
    return found | {name.replace("__", "/") + ".yaml": text for name, text in changed.items()}


def weight(group: Group) -> int:
    return sum(11 if "." not in name else 1 for name, _ in group.members)


def test_groups_are_neither_large_nor_many() -> None:
    layout = lay_out(MemoryTree(files()))

    assert layout.entries == 1 + 1 + 200 * 11 + 1 + 500
    assert 20 < len(layout.groups) < 70
    assert max(map(weight, layout.groups)) < 256 + 11


def test_a_small_tree_is_one_group() -> None:
    assert len(lay_out(MemoryTree({"c.yaml": b"1"})).groups) == 1
    assert lay_out(MemoryTree({})).groups == ()


def test_a_changed_file_changes_one_group_and_a_new_one_those_beside_it() -> None:
    before = {group.key for group in lay_out(MemoryTree(files())).groups}
    changed = {group.key for group in lay_out(MemoryTree(files(flat__250=b"x"))).groups}
    added = {group.key for group in lay_out(MemoryTree(files(flat__250a=b"x"))).groups}

    assert len(changed - before) == len(before - changed) == 1
    assert len(added - before) <= 2


class Watched(MemoryTree):
    """Tells which folders were looked into."""

    looked_into: list[str]

    def names(self, path: str) -> dict[str, Entry]:
        self.looked_into.append(path)
        return dict(super().names(path))


def test_folders_that_did_not_change_are_not_looked_into_again() -> None:
    old = MemoryTree(files())
    before = lay_out(old), old
    tree = Watched(files(**{"apps__app-007__3": b"x"}))
    tree.looked_into = []

    lay_out(tree, before)

    assert tree.looked_into == ["", "apps", "apps/app-007"]


class Losing(MemoryTree):
    """Has no content any more below a folder."""

    lost = "apps/"

    def names(self, path: str) -> Mapping[str, Entry]:
        if path.startswith(self.lost):
            raise KeyError(path)
        return super().names(path)

    def entry(self, path: str) -> Entry | None:
        if path.startswith(self.lost):
            raise GitError(f"{path} is not stored any more")
        return super().entry(path)


def test_what_is_lost_of_the_tree_before_is_laid_out_anew() -> None:
    old, new = MemoryTree(files()), MemoryTree(files(**{"apps__app-007__3": b"x"}))

    assert lay_out(new, (lay_out(old), Losing(files()))) == lay_out(new)
