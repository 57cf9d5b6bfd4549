"""Say what stands near a path at which nothing does."""

from engine.render.inputs import Recorder
from engine.render.kustomize.errors import nearest
from engine.source.tree import Form


def hint(tree: Recorder, target: str) -> str:
    """The nearest name where the path first goes wrong; "" if nothing is near."""
    parent, _, name = target.rpartition("/")
    before = ""
    while (entry := tree.entry(parent)) is None:
        before = f": no such folder {parent!r}"
        parent, _, name = parent.rpartition("/")
    if entry.form is not Form.FOLDER:
        return f"{before}: {parent!r} is a {entry.form}"
    names = tree.names(parent)
    words = name.split()
    if len(words) > 1 and words[0] in names:
        return f"{before}: is there a '-' missing after {words[0]!r}?"
    return before + nearest(name, names)


def what_is_there(tree: Recorder, folder: str) -> str:
    """What a folder without a kustomization has in its place; "" if nothing is like it."""
    names = tree.names(folder)
    near = nearest("kustomization.yaml", names)
    manifests = [name for name in names if name.endswith((".yaml", ".yml"))]
    if near or not manifests:
        return near
    return f"; list its manifests one by one, such as {manifests[0]!r}"
