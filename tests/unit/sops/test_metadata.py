"""The `sops` part of a file: what it says, and that a hostile one is refused in bounds."""

import json
from typing import Any

import pytest

from engine.sops import Format, MasterKey, Metadata, Rule, SopsError, metadata_of
from engine.sops.json_text import node_of
from engine.sops.metadata_read import metadata_from, seconds
from engine.sops.metadata_write import written

MAC = "ENC[AES256_GCM,data:eA==,iv:eA==,tag:eA==,type:str]"
AGE = {"recipient": "age1x", "enc": "sealed"}


def part(**fields: Any) -> dict[str, Any]:
    fixed = {"age": [AGE], "lastmodified": "2026-11-23T06:00:00Z", "mac": MAC, "version": "3.13.2"}
    return {**fixed, **fields}


def read(**fields: Any) -> Metadata:
    found = metadata_of(json.dumps({"a": "b", "sops": part(**fields)}).encode(), Format.JSON)
    assert found is not None
    return found


def test_it_says_who_decrypts_what() -> None:
    found = read(encrypted_regex="^data$", mac_only_encrypted=True)

    assert found == Metadata(
        ((MasterKey("age", "age1x", "sealed"),),),
        0,
        MAC,
        "2026-11-23T06:00:00Z",
        Rule("encrypted_regex", "^data$"),
        mac_only_encrypted=True,
        version="3.13.2",
    )
    assert found.needed == 1


def test_every_kind_of_key_names_its_recipient() -> None:
    found = read(
        age=[AGE],
        pgp=[{"fp": "ABC", "enc": "e", "created_at": "c"}],
        kms=[{"arn": "arn:1", "role": "r", "enc": "e", "context": {"b": "2", "a": "1"}}],
        gcp_kms=[{"resource_id": "projects/p", "enc": "e"}],
        azure_kv=[{"vault_url": "https://v", "name": "n", "version": "1", "enc": "e"}],
        hc_vault=[
            {"vault_address": "https://v", "engine_path": "sops", "key_name": "k", "enc": "e"}
        ],
        hckms=[{"key_id": "region:id", "enc": "e"}],
    )

    assert [str(key) for key in tuple(found.keys())] == [
        "kms arn:1",
        "gcp_kms projects/p",
        "hckms region:id",
        "azure_kv https://v/keys/n/1",
        "hc_vault https://v/v1/sops/keys/k",
        "pgp ABC",
        "age age1x",
    ]
    kms, *_ = found.keys()
    assert kms.attributes == {"role": "r"}
    assert kms.context == {"a": "1", "b": "2"}


def test_groups_need_their_threshold() -> None:
    groups = [{"age": [AGE]}, {"pgp": [{"fp": "ABC", "enc": "e"}]}, {"age": []}]

    found = read(age=[], key_groups=groups, shamir_threshold=2)

    assert [len(group) for group in found.groups] == [1, 1, 0]
    assert found.needed == 2


def test_numbers_and_flags_may_be_texts() -> None:
    found = read(key_groups=[], mac_only_encrypted="true", shamir_threshold="2", version=3)

    assert (found.mac_only_encrypted, found.threshold, found.version) == (True, 2, "3")


def test_what_is_written_is_read_the_same() -> None:
    found = read(
        age=[AGE, {"recipient": "age1y", "enc": "e"}],
        kms=[{"arn": "arn:1", "enc": "e", "context": {"a": "1"}, "created_at": "c"}],
        unencrypted_suffix="_x",
    )

    again = metadata_from(written(found))

    assert again.rule == found.rule
    assert [facts(key) for key in tuple(again.keys())] == [
        facts(key) for key in tuple(found.keys())
    ]


def facts(key: MasterKey) -> tuple[object, ...]:
    return key.recipient, key.encrypted, key.context


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"age": 1}, "sops.age: is not a list"),
        ({"age": [1]}, "sops.age[0]: is not a mapping"),
        ({"age": [{"recipient": [], "enc": ""}]}, "does not say whose key it is"),
        ({"age": [{"recipient": "x" * 3000, "enc": ""}]}, "has a name of more than"),
        ({"age": [{"recipient": "x", "enc": {}}]}, "sops.age[0].enc: is not a text"),
        ({"age": []}, "names no key that could decrypt the file"),
        ({"age": [AGE] * 1001}, "names 1,001 keys, more than 1,000"),
        ({"age": [], "key_groups": [{}] * 256}, "has more than 255 groups"),
        ({"age": [], "key_groups": [1]}, "sops.key_groups[0]: is not a mapping"),
        ({"lastmodified": "yesterday"}, "is not a time in RFC 3339"),
        ({"lastmodified": "2026-13-01T00:00:00Z"}, "is not a time that exists"),
        ({"lastmodified": []}, "sops.lastmodified: is not a text"),
        ({"shamir_threshold": -1}, "is not a number from 0 to 255"),
        ({"shamir_threshold": "9" * 5000}, "is not a number from 0 to 255"),
        ({"mac_only_encrypted": "maybe"}, "is neither true nor false"),
        ({"encrypted_regex": "a", "encrypted_suffix": "b"}, "more than one rule"),
        ({"mac": [MAC]}, "sops.mac: is not a text"),
    ],
)
def test_what_makes_no_sense_is_named(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(SopsError) as refused:
        read(**fields)

    assert problem in str(refused.value)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2026-11-23T06:00:00Z", "2026-11-23T06:00:00Z"),
        ("2026-11-23T06:00:00.123Z", "2026-11-23T06:00:00Z"),
        ("2026-11-23T06:00:00+00:00", "2026-11-23T06:00:00Z"),
        ("2026-11-23T06:00:00+02:00", "2026-11-23T06:00:00+02:00"),
    ],
)
def test_the_mac_is_bound_to_whole_seconds(text: str, wanted: str) -> None:
    assert seconds(text) == wanted


@pytest.mark.parametrize(
    ("content", "format"),
    [
        (b"", Format.YAML),
        (b"a: b", Format.YAML),
        (b"sops:\n  enabled: true\nsecret: ENC[x]", Format.YAML),
        (b'{"sops": "ENC[x]"}', Format.JSON),
        (b"text about sops and ENC[", Format.BINARY),
        (b"sops=ENC[\n", Format.DOTENV),
    ],
)
def test_what_only_mentions_sops_is_not_encrypted(content: bytes, format: Format) -> None:
    assert metadata_of(content, format) is None


def test_a_file_above_the_limit_is_refused() -> None:
    content = json.dumps({"a": "x" * 5 * 1024 * 1024, "sops": part()}).encode()

    with pytest.raises(SopsError, match="more than the 5,242,880 of a SOPS file"):
        metadata_of(content, Format.JSON)


def test_a_part_of_the_wrong_type_is_refused() -> None:
    with pytest.raises(SopsError, match="sops: is not a mapping"):
        metadata_from(node_of(["x"]))
