"""Objects that a build made of encrypted manifests."""

import json
from secrets import token_bytes
from typing import Any

import pytest

from engine.sops import (
    Format,
    Rule,
    SopsError,
    decrypted_object,
    is_encrypted,
    metadata_of_object,
)
from engine.sops.cipher import Cipher
from engine.sops.json_text import node_of
from engine.sops.tree import Branch
from tests.support.sops import encrypted

KEY = bytes(range(32))


def built(**data: Any) -> dict[str, Any]:
    """A Secret as it comes out of a build."""
    node = node_of({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, "data": data})
    assert isinstance(node, Branch)
    sealed = encrypted([node], Format.JSON, KEY, Rule("encrypted_regex", "^(data|stringData)$"))
    obj: dict[str, Any] = json.loads(sealed)
    return obj


def test_what_a_build_changes_in_plain_text_is_no_obstacle() -> None:
    obj = built(user="YW5uYQ==", n=5, yes=True, empty="", items=["a", {"b": 1.5}], nothing=None)
    changed = dict(sorted(obj.items(), reverse=True))
    changed["metadata"] = {"name": "prefix-x", "namespace": "apps", "labels": {"a": "b"}}

    plain = decrypted_object(changed, KEY)

    assert plain == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "prefix-x", "namespace": "apps", "labels": {"a": "b"}},
        "data": {
            "user": "YW5uYQ==",
            "n": 5,
            "yes": True,
            "empty": "",
            "items": ["a", {"b": 1.5}],
            "nothing": None,
        },
    }
    assert "sops" in changed


def test_a_value_cannot_change_its_place() -> None:
    obj = built(user="YW5uYQ==", password="c2VjcmV0")
    data = obj["data"]
    obj["data"] = {"user": data["password"], "password": data["user"]}

    with pytest.raises(SopsError, match=r"data\.user: it was not encrypted for this place"):
        decrypted_object(obj, KEY)


def test_a_value_that_a_patch_wrote_in_plain_text_is_named() -> None:
    obj = built(user="YW5uYQ==")
    obj["data"]["more"] = "c2VjcmV0"

    with pytest.raises(SopsError) as refused:
        decrypted_object(obj, KEY)

    assert str(refused.value).startswith("data.more: it is not encrypted although")
    assert "c2VjcmV0" not in str(refused.value)


def test_a_comment_that_sops_put_into_a_list_is_no_item() -> None:
    obj = built(items=["a"])
    comment = Cipher(KEY).encrypt(" a comment", "data:items:", token_bytes, is_comment=True)
    obj["data"]["items"].insert(0, comment)

    assert decrypted_object(obj, KEY)["data"] == {"items": ["a"]}


@pytest.mark.parametrize(
    ("part", "wanted"),
    [({"mac": "ENC["}, True), ({"mac": ""}, False), ({}, False), ("x", False), (None, False)],
)
def test_an_object_with_a_mac_is_encrypted(part: Any, wanted: bool) -> None:
    assert is_encrypted({"kind": "Secret", "sops": part}) is wanted


def test_the_object_says_who_decrypts_it() -> None:
    metadata = metadata_of_object(built(a="b"))

    assert [str(key) for key in tuple(metadata.keys())] == ["age age1nobody"]
    with pytest.raises(SopsError, match="it is not encrypted"):
        metadata_of_object({"kind": "Secret"})
