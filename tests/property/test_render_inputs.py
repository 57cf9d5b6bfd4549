"""What a build read says truly where the same build would give the same result."""

from collections.abc import Iterator
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Failure
from engine.objects.manifests import dump
from engine.render import Request, render
from engine.source.git_entry import Child, tree_object
from engine.source.git_filter import filtered
from engine.source.git_tree import GitTree
from engine.source.git_write import StoredFile, write_tree
from engine.source.store import Store
from engine.source.tree import MemoryTree, Tree
from tests.support.decrypting import decrypted, tree
from tests.support.kustomized import FILES
from tests.support.sealing import Person, Seal

REQUESTS = {path: Request(path=path) for path in ("overlay", "plain")}
BUILT = {path: render(MemoryTree(FILES), request) for path, request in REQUESTS.items()}
CONFIG_MAP = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: new}\n"

PLACES = [
    path.lstrip("/")
    for path in (
        *FILES,
        *(
            f"{folder}/{name}"
            for folder in ("overlay", "base", "component", "plain", "plain/sub", "plain/deep", "")
            for name in ("kustomization.yaml", "kustomization.yml", "Kustomization", "new.yaml")
        ),
        "overlay/new/kustomization.yaml",
        "plain/one.yaml/inner.yaml",  # a folder where a file was
    )
]
CONTENTS = [None, b"", CONFIG_MAP, b"resources: []\nnamePrefix: x-\n", b"a=9\n"]
CHANGES = st.dictionaries(
    st.sampled_from(PLACES), st.sampled_from([*CONTENTS, *FILES.values()]), max_size=3
)
IGNORES = st.dictionaries(
    st.sampled_from(["", "overlay/", "base/", "plain/", "plain/deep/"]),
    st.sampled_from(
        ["*.yml\n", "deep\n", "settings.*\n", "/sub/\n", "!one.yaml\n*.md\n", "extra*"]
    ),
    max_size=2,
)


def changed(changes: dict[str, bytes | None]) -> dict[str, bytes]:
    """The repository after the changes; None deletes; a file makes way for a folder."""
    files = {**FILES, **changes}
    folders = {path.rsplit("/", depth)[0] for path in files for depth in range(1, 5)}
    kept = {path: text for path, text in files.items() if text is not None}
    return {path: text for path, text in kept.items() if path not in folders}


def outcome(tree: Tree, path: str) -> object:
    try:
        rendered = render(tree, REQUESTS[path])
    except Failure as failure:
        return str(failure)
    return rendered.objects, rendered.digest


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(REQUESTS))
def test_each_single_change_that_changes_the_result_changes_what_was_read(path: str) -> None:
    first = BUILT[path]
    for place, content in product(PLACES, CONTENTS):
        after = MemoryTree(changed({place: content}))

        if first.inputs.hold_in(after):
            assert outcome(after, path) == (first.objects, first.digest), place


@given(CHANGES, st.sampled_from(sorted(REQUESTS)))
def test_a_change_that_changes_the_result_changes_what_was_read(
    changes: dict[str, bytes | None], path: str
) -> None:
    after = MemoryTree(changed(changes))

    first = BUILT[path]
    if first.inputs.hold_in(after):
        assert outcome(after, path) == (first.objects, first.digest)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store(tmp_path_factory.mktemp("store"))
    yield store
    store.close()


@given(changes=CHANGES, before=IGNORES, after=IGNORES, path=st.sampled_from(sorted(REQUESTS)))
def test_a_change_of_an_ignore_file_that_changes_the_result_changes_what_was_read(
    store: Store,
    changes: dict[str, bytes | None],
    before: dict[str, str],
    after: dict[str, str],
    path: str,
) -> None:
    first, second = (
        as_artifact(store, {**changed(changes), **ignore_files(ignores)})
        for ignores in (before, after)
    )
    try:
        inputs = render(first, REQUESTS[path]).inputs
    except Failure:
        return  # nothing is remembered of a failed build

    if inputs.hold_in(second):
        assert outcome(first, path) == outcome(second, path)


LINKS = st.dictionaries(
    st.sampled_from([path for path in PLACES if path]),
    st.sampled_from(["../base/deployment.yaml", "../base", "/etc/passwd", "kustomization.yaml"]),
    max_size=2,
)


@given(before=LINKS, after=LINKS, ignore=IGNORES, path=st.sampled_from(sorted(REQUESTS)))
def test_a_link_and_the_sources_own_rules_change_the_result_only_with_what_was_read(
    store: Store, before: dict[str, str], after: dict[str, str], ignore: dict[str, str], path: str
) -> None:
    rules = "".join(ignore.values())
    first, second = linked(store, before, None), linked(store, after, rules or None)
    try:
        inputs = render(first, REQUESTS[path]).inputs
    except Failure:
        return

    if inputs.hold_in(second):
        assert outcome(first, path) == outcome(second, path)


@given(st.sampled_from(sorted(FILES)), st.sampled_from(sorted(REQUESTS)))
def test_each_file_that_the_result_depends_on_is_an_input(changed_path: str, path: str) -> None:
    others = {**FILES, changed_path: FILES[changed_path] + b"\n# changed\n"}

    inputs = BUILT[path].inputs
    is_used = changed_path in inputs.files

    assert inputs.hold_in(MemoryTree(others)) is not is_used


def ignore_files(ignores: dict[str, str]) -> dict[str, bytes]:
    return {f"{folder}.sourceignore": text.encode() for folder, text in ignores.items()}


def as_artifact(store: Store, files: dict[str, bytes]) -> GitTree:
    """The files as a source's artifact has them: ignore files obeyed."""
    stored = {path: StoredFile(store.add_blob(content)) for path, content in files.items()}
    return GitTree(store, filtered(store, write_tree(store, stored)))


def linked(store: Store, links: dict[str, str], spec_ignore: str | None) -> GitTree:
    """The files as an artifact, some of them links in Git."""
    files = {path: StoredFile(store.add_blob(content)) for path, content in FILES.items()}
    tree_id = write_tree(store, files)
    for path, target in links.items():
        tree_id = with_link(store, tree_id, path.split("/"), store.add_blob(target.encode()))
    return GitTree(store, filtered(store, tree_id, spec_ignore))


def with_link(store: Store, tree_id: str, names: list[str], blob: str) -> str:
    """The tree with a link in place of what stands at that path."""
    children = dict(store.children(tree_id))
    name, *below = names
    if below:
        inner = children.get(name)
        inner_id = inner.id if inner is not None and inner.is_folder else write_tree(store, {})
        children[name] = Child(0o40000, with_link(store, inner_id, below, blob))
    else:
        children[name] = Child(0o120000, blob)
    tree = tree_object(children)
    store.add([tree])
    return tree.id.decode()


ME, OTHER = Person(), Person()
_SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}}
_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "map"}}
SEALED: dict[str, bytes | str] = {
    "app/kustomization.yaml": (
        "resources: [login.yaml, map.yaml]\npatches: [{path: patch.yaml}]\n"
        "secretGenerator: [{name: gen, envs: [app.env], files: [blob]}]\n"
    ),
    "app/login.yaml": Seal([ME], "^data$").yaml({**_SECRET, "data": {"a": "b"}}),
    "app/map.yaml": dump(_MAP),
    "app/patch.yaml": Seal([ME], "^data$").yaml({**_MAP, "data": {"a": "b"}}),
    "app/app.env": Seal([ME]).dotenv(A="b"),
    "app/blob": Seal([ME]).binary("b"),
    "app/unused.yaml": Seal([ME], "^data$").yaml({**_SECRET, "data": {"c": "d"}}),
}
FORMS = [
    None,
    b"",
    dump({**_SECRET, "data": {"a": "Yg=="}}).encode(),
    Seal([ME], "^data$").yaml({**_SECRET, "data": {"a": "c"}}),
    Seal([OTHER], "^data$").yaml({**_SECRET, "data": {"a": "c"}}),
    Seal([ME]).dotenv(A="c"),
    Seal([ME]).binary("c"),
]


def decrypted_outcome(files: dict[str, bytes | str]) -> object:
    try:
        rendered = decrypted(files, ME, request=Request(path="app")).rendered
    except Failure as failure:
        return str(failure)
    return rendered.objects, rendered.digest


@given(
    st.dictionaries(
        st.sampled_from([*sorted(SEALED), "app/new.yaml", "README"]),
        st.sampled_from(FORMS),
        max_size=2,
    )
)
def test_a_change_of_what_was_decrypted_is_a_change_of_what_was_read(
    changes: dict[str, bytes | None],
) -> None:
    first = decrypted(SEALED, ME, request=Request(path="app")).rendered
    kept = {path: text for path, text in {**SEALED, **changes}.items() if text is not None}

    if first.inputs.hold_in(tree(kept)):
        assert decrypted_outcome(kept) == (first.objects, first.digest)


@pytest.mark.parametrize("path", sorted(SEALED.keys() - {"app/unused.yaml"}))
def test_each_encrypted_file_that_the_result_depends_on_is_an_input(path: str) -> None:
    first = decrypted(SEALED, ME, request=Request(path="app")).rendered
    content = SEALED[path]
    longer = (content.encode() if isinstance(content, str) else content) + b"\n"

    assert not first.inputs.hold_in(tree({**SEALED, path: longer}))
    assert first.inputs.hold_in(tree({**SEALED, "app/unused.yaml": "changed"}))
