"""Laws of encrypted files, on random trees and on hostile bytes."""

import copy
import secrets
from contextlib import suppress
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from engine.sops import (
    Format,
    MasterKey,
    Metadata,
    Rekey,
    Rule,
    SopsError,
    combined,
    decrypted,
    dotenv,
    ini,
    json_text,
    metadata_of,
    resealed,
    split,
)
from engine.sops.tree import Branch, Items, Leaf, Node, to_bytes
from engine.sops.yaml_read import Reading
from tests.support.sops import WRITERS, encrypted
from tests.support.sops_values import files, keys

KEY = bytes(range(32))
NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
READERS = {
    Format.YAML: lambda content: [d.branch for d in Reading(content.decode()).documents()],
    Format.JSON: json_text.read,
    Format.DOTENV: dotenv.read,
    Format.INI: ini.read,
}

rules = st.one_of(
    st.just(Rule("unencrypted_suffix", "_unencrypted")),
    st.builds(
        Rule,
        st.sampled_from(["encrypted_suffix", "unencrypted_suffix"]),
        keys.map(lambda key: key[-1:]),
    ),
    st.builds(
        Rule, st.sampled_from(["encrypted_regex", "unencrypted_regex"]), st.just("^[a-mA-M0-5]")
    ),
)


@given(files)
def test_what_is_written_is_read_the_same(file: tuple[Format, Branch]) -> None:
    format, tree = file

    found = READERS[format](WRITERS[format]([tree]))

    assert [without_places(branch) for branch in found] == [tree]


@given(files, rules)
def test_what_was_encrypted_is_decrypted_the_same(file: tuple[Format, Branch], rule: Rule) -> None:
    format, tree = file
    sealed = encrypted([copy.deepcopy(tree)], format, KEY, rule)

    plain = decrypted(sealed, format, KEY, verify_mac=True)

    assert [without_places(branch) for branch in READERS[format](plain)] == [tree]


@given(files, rules, st.booleans())
def test_a_new_seal_keeps_every_value(
    file: tuple[Format, Branch], rule: Rule, rekeyed: bool
) -> None:
    format, tree = file
    before = encrypted([tree], format, KEY, rule)
    new = secrets.token_bytes(32) if rekeyed else KEY
    rekey = Rekey(KEY, new, secrets.token_bytes) if rekeyed else None
    heirs = [[MasterKey("age", "age1heir", "sealed\n")], [MasterKey("pgp", "ABC", "sealed")]]

    after = resealed(before, format, heirs, now=NOW, rekey=rekey)

    metadata = metadata_of(after, format)
    assert metadata is not None
    assert [key.recipient for group in metadata.groups for key in group] == ["age1heir", "ABC"]
    assert decrypted(after, format, new, verify_mac=True) == decrypted(
        before, format, KEY, verify_mac=True
    )


@given(files, rules, st.data())
def test_no_change_of_a_file_changes_a_value_unnoticed(
    file: tuple[Format, Branch], rule: Rule, data: st.DataObject
) -> None:
    """Names in plain text, and where documents and lists end, SOPS does not protect."""
    format, tree = file
    before = values_of(copy.deepcopy(tree))
    sealed = encrypted([tree], format, KEY, rule)
    at = data.draw(st.integers(0, len(sealed) - 1))
    tampered = sealed[:at] + data.draw(st.binary(max_size=2)) + sealed[at + 1 :]

    try:
        plain = decrypted(tampered, format, KEY, verify_mac=True)
    except SopsError:
        return

    assert b"".join(values_of(READERS[format](plain)[0])) == b"".join(before)


@given(st.sampled_from(list(Format)), st.binary(max_size=200))
def test_hostile_bytes_end_in_a_sops_error(format: Format, content: bytes) -> None:
    hostile = content + b"\nsops: ENC["

    with suppress(SopsError):  # and no other exception
        metadata_of(hostile, format)


@given(files, st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=8)), max_size=5))
def test_a_damaged_file_ends_in_a_sops_error(
    file: tuple[Format, Branch], damage: list[tuple[float, bytes]]
) -> None:
    format, tree = file
    content = encrypted([tree], format, KEY)
    for place, noise in damage:
        at = int(place * len(content))
        content = content[:at] + noise + content[at + len(noise) // 2 :]

    for output in (None, *Format):
        with suppress(SopsError):  # and no other exception
            decrypted(content, format, KEY, verify_mac=False, output=output)


@given(st.binary(min_size=1, max_size=40), st.integers(2, 8), st.data())
def test_any_shares_up_to_the_threshold_join(key: bytes, groups: int, data: st.DataObject) -> None:
    threshold = data.draw(st.integers(2, groups))
    masters = [MasterKey("age", f"age1{at}", str(at)) for at in range(groups)]
    metadata = Metadata(tuple((master,) for master in masters), threshold, "", "")
    shares = dict(zip(masters, split(key, groups, threshold, secrets.token_bytes), strict=True))
    some = data.draw(st.sets(st.sampled_from(masters)))

    found = combined(metadata, {master: shares[master] for master in some})

    assert found == (key if len(some) >= threshold else None)


def without_places(node: Node) -> Node:
    if isinstance(node, Leaf):
        return Leaf(node.value)
    if isinstance(node, Items):
        return Items([without_places(inner) for inner in node.nodes()])
    return Branch([(key, without_places(inner)) for key, inner in node.pairs()])


def values_of(node: Node) -> list[bytes]:
    """Every value, as the MAC has it."""
    if isinstance(node, Leaf):
        return [] if node.value is None else [to_bytes(node.value)]
    inner = (value for _, value in node.pairs()) if isinstance(node, Branch) else node.nodes()
    return [value for each in inner for value in values_of(each)]
