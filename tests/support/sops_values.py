"""Random contents of encrypted files, each of a format that can hold it."""

from hypothesis import strategies as st

from engine.sops import Format
from engine.sops.tree import Branch, Items, Leaf, Node, Value

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
values = st.one_of(
    texts,
    st.integers(-(2**63), 2**63 - 1),
    st.booleans(),
    st.none(),
    st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: number % 1 != 0),
)
keys = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=6).filter(
    lambda key: key != "sops"
)


def trees(leaves: st.SearchStrategy[Value]) -> st.SearchStrategy[Branch]:
    def mapping(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Branch]:
        pairs = st.lists(st.tuples(keys, inner), max_size=4, unique_by=lambda pair: pair[0])
        return pairs.map(lambda items: Branch(list(items)))

    nodes: st.SearchStrategy[Node] = st.recursive(
        leaves.map(Leaf),
        lambda inner: mapping(inner) | st.lists(inner, max_size=4).map(lambda i: Items(list(i))),
        max_leaves=12,
    )
    return mapping(nodes).filter(lambda branch: bool(branch.items))


flat_names = st.from_regex(r"[A-Z][A-Z0-9_]{0,5}", fullmatch=True)
lines = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\\"), max_size=9)
flat = st.lists(
    st.tuples(flat_names, lines.map(Leaf)), min_size=1, max_size=4, unique_by=lambda pair: pair[0]
).map(lambda items: Branch(list(items)))
words = st.text("abc =:#;.\u00e9\n", max_size=8)
sections = st.lists(
    st.tuples(
        st.from_regex(r"[a-z]{1,5}", fullmatch=True).filter(lambda name: name != "sops"),
        st.lists(
            st.tuples(st.from_regex(r"[a-z]{1,5}", fullmatch=True), words.map(Leaf)),
            max_size=3,
            unique_by=lambda pair: pair[0],
        ).map(lambda items: Branch(list(items))),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda pair: pair[0],
).map(lambda items: Branch([("DEFAULT", Branch()), *items]))
contents: dict[Format, st.SearchStrategy[Branch]] = {
    Format.YAML: trees(values),
    Format.JSON: trees(values),
    Format.DOTENV: flat,
    Format.INI: sections,
}
files = st.sampled_from(list(contents)).flatmap(
    lambda format: st.tuples(st.just(format), contents[format])
)
