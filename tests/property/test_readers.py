"""Who is looked at because a tree changed there: just those whose build would be another."""

from hypothesis import given
from hypothesis import strategies as st

from engine.api.meta import KUSTOMIZE_GROUP, SOURCE_GROUP
from engine.objects.ref import Ref
from engine.reconcile.readers import Readers
from engine.render.changed import changed_places
from engine.render.inputs import Inputs, Recorder
from engine.source.tree import MemoryTree, Tree

SOURCE = Ref(SOURCE_GROUP, "GitRepository", "ns", "fleet")
USERS = [Ref(KUSTOMIZE_GROUP, "Kustomization", "ns", name) for name in "abc"]
PATHS = ["x", "y", "a", "a/x", "a/y", "a/b", "a/b/x", "a/b/c", "a/b/c/x", "d/e/x", "d/e", "d"]

FILES = st.dictionaries(st.sampled_from(PATHS), st.sampled_from([b"1", b"2"]), max_size=6)
ASKED = st.lists(
    st.tuples(st.sampled_from(["entry", "names", "read"]), st.sampled_from(["", *PATHS])),
    max_size=6,
)


def tree_of(files: dict[str, bytes]) -> MemoryTree:
    """A file makes way for a folder."""
    folders = {path.rsplit("/", depth)[0] for path in files for depth in range(1, 4) if "/" in path}
    return MemoryTree({path: text for path, text in files.items() if path not in folders})


def inputs_of(tree: Tree, asked: list[tuple[str, str]]) -> Inputs:
    """What a build that asks so has read."""
    recorder = Recorder(tree)
    for question, path in asked:
        try:
            getattr(recorder, question)(path)
        except KeyError:
            recorder.entry(path)  # as builds do: they look before they read
    return recorder.inputs


@given(FILES, FILES, ASKED)
def test_whoever_would_read_something_else_has_read_where_the_trees_differ(
    before: dict[str, bytes], after: dict[str, bytes], asked: list[tuple[str, str]]
) -> None:
    old, new = tree_of(before), tree_of(after)
    inputs, places = inputs_of(old, asked), changed_places(old, new)

    assert places is not None
    assert inputs.hold_in(new) or inputs.places() & places


STEPS = st.lists(
    st.one_of(
        FILES,  # a commit
        st.tuples(st.sampled_from(USERS), ASKED),  # a build of the newest tree
        st.tuples(st.sampled_from(USERS), st.none()),  # one that fails
    ),
    max_size=12,
)


@given(STEPS, st.lists(st.sampled_from(USERS), min_size=1, unique=True))
def test_those_whom_a_revision_concerns_are_those_whose_inputs_do_not_hold(
    steps: list[object], users: list[Ref]
) -> None:
    built: dict[Ref, Inputs] = {}
    readers = Readers(lambda user, tree: user in built and built[user].hold_in(tree))
    tree = tree_of({})
    for step in steps:
        if isinstance(step, dict):
            tree = tree_of(step)
        elif isinstance(step, tuple) and step[1] is None:
            built.pop(step[0], None)
            readers.forget(step[0])
        elif isinstance(step, tuple):
            built[step[0]] = inputs_of(tree, step[1])
            readers.keep(step[0], SOURCE, tree, built[step[0]])

        wanted = {user for user in users if user not in built or not built[user].hold_in(tree)}
        assert readers.concerned(users, SOURCE, tree) == wanted
