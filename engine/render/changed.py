"""What differs between two trees: a commit costs what it changed, not what there is.

The walk begins at the roots and goes into folders of another id only.
"""

from collections.abc import Iterator

from engine.source.tree import Entry, Form, Tree, differing

MOST = 5_000  # differences; of more, asking each build costs no more than listing them


def changed_places(old: Tree, new: Tree, most: int = MOST) -> frozenset[str] | None:
    """The folders in which something came, went or is another, and all that did; None: too many.

    A folder of which only something deeper is another is not among them.  Whoever has read
    something else in `new` than in `old` has one of its `Inputs.places` here
    (tests/property/test_changed.py).
    """
    found: set[str] = set()
    for place in _between(old, new, ""):
        found.add(place)
        if len(found) > most:
            return None
    return frozenset(found)


def _between(old: Tree, new: Tree, folder: str) -> Iterator[str]:
    if _id(old, folder) == _id(new, folder):
        return
    for name in differing(new, old, folder):
        path = _joined(folder, name)
        was, is_now = old.entry(path), new.entry(path)
        if was == is_now or (was and is_now and (was.id, was.form) == (is_now.id, is_now.form)):
            continue  # only its mode is another one, or nothing that a build sees stands there
        if _is_folder(was) and _is_folder(is_now):
            yield from _between(old, new, path)
            continue
        yield folder
        yield path
        for tree, entry in ((old, was), (new, is_now)):
            if _is_folder(entry):
                yield from _below(tree, path)


def _below(tree: Tree, folder: str) -> Iterator[str]:
    for name, entry in tree.names(folder).items():
        path = _joined(folder, name)
        yield path
        if _is_folder(entry):
            yield from _below(tree, path)


def _id(tree: Tree, folder: str) -> str | None:
    if not folder:
        return tree.id
    entry = tree.entry(folder)
    return entry.id if entry else None


def _is_folder(entry: Entry | None) -> bool:
    return entry is not None and entry.form is Form.FOLDER


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
