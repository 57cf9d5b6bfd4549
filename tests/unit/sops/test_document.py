"""Encrypted files: where an error is, what a hostile one costs, and what is left as it was."""

import base64
import json
import secrets
import traceback
from datetime import UTC, datetime

import pytest
import yaml

from engine.sops import (
    Format,
    MasterKey,
    Rekey,
    Rule,
    SopsError,
    decrypted,
    format_of,
    is_marked,
    marked_format,
    metadata_of,
    resealed,
)
from engine.sops.cipher import Cipher
from engine.sops.json_text import node_of
from engine.sops.tree import Branch
from tests.support.sops import encrypted

KEY = bytes(range(32))
NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
DATA = Rule("encrypted_regex", "^data$")


def sealed(format: Format = Format.YAML, rule: Rule = DATA) -> bytes:
    node = node_of({"kind": "Secret", "data": {"user": "anna", "password": "hunter2", "n": 1}})
    assert isinstance(node, Branch)
    return encrypted([node], format, KEY, rule)


def refused(content: bytes, format: Format = Format.YAML, key: bytes = KEY) -> str:
    with pytest.raises(SopsError) as error:
        decrypted(content, format, key, verify_mac=True)
    assert "hunter2" not in str(error.value)
    return error.value.located("secret.yaml")


def test_a_value_in_plain_text_is_named_with_its_line() -> None:
    lines = sealed().splitlines()
    lines[3] = b"    password: hunter2"

    assert refused(b"\n".join(lines)).startswith(
        "secret.yaml:4: data.password: it is not encrypted although the file's rule says so"
    )


def test_a_number_in_plain_text_is_named_with_its_line() -> None:
    lines = sealed().splitlines()
    lines[3] = b"    password: 12345"

    assert refused(b"\n".join(lines)).startswith("secret.yaml:4: data.password: it is not encr")


@pytest.mark.parametrize("format", [Format.YAML, Format.JSON])
def test_a_value_from_elsewhere_is_named_with_its_line(format: Format) -> None:
    content = sealed(format).replace(b"user", b"login")

    wanted = "secret.yaml:3: " if format is Format.YAML else "secret.yaml:4: "
    assert refused(content, format).startswith(wanted + "data.login: it was not encrypted for")


def test_a_mac_that_does_not_match_is_named_with_its_line() -> None:
    content = sealed().replace(b"kind: Secret", b"kind: Service")

    line = content[: content.index(b"mac:")].count(b"\n") + 1
    assert refused(content).startswith(f"secret.yaml:{line}: sops.mac: the MAC does not match")


def test_another_data_key_opens_nothing() -> None:
    assert "data.user: it was not encrypted for this place" in refused(sealed(), key=bytes(32))


def test_a_data_key_of_the_wrong_size_is_refused() -> None:
    assert "a data key has 32 bytes, this one has 3" in refused(sealed(), key=b"abc")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (b"iv:", b"iv:!", "not valid base64"),
        (b",iv:", b"=,iv:", "not valid base64"),
        (b"type:str", b"type:int", "it says to be of type 'int' and is not"),
        (b"type:str", b"type:float", "it says to be a float and is none"),
        (b"type:str", b"type:bool", "of type 'bool'"),
        (b"type:str", b"type:what", "of type 'what'"),
        (b"ENC[AES256_GCM", b"ENC[AES256_CBC", "it is not encrypted although"),
    ],
)
def test_a_form_that_is_none_is_refused(old: bytes, new: bytes, problem: str) -> None:
    assert problem in refused(sealed().replace(old, new, 1))


@pytest.mark.parametrize("length", [1, 300])
def test_an_iv_of_a_length_that_is_none_is_refused(length: int) -> None:
    iv = base64.b64encode(bytes(length))
    start = sealed().index(b"iv:") + 3
    content = sealed()
    content = content[:start] + iv + content[content.index(b",tag", start) :]

    assert "data.user" in refused(content)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b'{"sops": {"mac": "ENC["}, "a": ' + b"[" * 100_000, "nested more than 100 levels"),
        (b'{"sops": {"mac": "ENC["}, "a": ' + b"[" * 500 + b"]" * 500 + b"}", "nested more"),
        (b'{"sops": {"mac": "ENC["}, "a": ' + b"9" * 10_000 + b"}", "a number is out of range"),
        (b'{"sops": {"mac": "ENC["}, "a": 1e999}', "a number is out of range"),
        (b'{"sops": {"mac": "ENC["}, "a": NaN}', "NaN is no value"),
        (b'{"sops": {"mac": "ENC["}} trailing', "not JSON: Extra data"),
        (b'{"sops": {"mac": "ENC["}', "not JSON"),
        (b'["sops", "ENC["]', "is not an object"),
        (b'{"sops": {"mac": "ENC["}, "sops": {"mac": "x"}}', "sops: stands there twice"),
    ],
    ids=lambda value: str(value)[-30:],
)
def test_hostile_json_is_refused(content: bytes, problem: str) -> None:
    with pytest.raises(SopsError) as error:
        metadata_of(content, Format.JSON)

    assert problem in str(error.value)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"sops_mac=ENC[\nsops_age__list_1__map_enc=x\n", "is a list with gaps"),
        (b"sops_mac=ENC[\nsops_age__list_x__map_enc=x\n", "is no number"),
        (b"sops_mac=ENC[\nsops_mac=ENC[\n", "stands there twice"),
        (b"sops_mac=ENC[\nsops_mac__map_a=x\n", "is a value and has fields of its own"),
        (b"sops_mac=ENC[\nsops_" + b"__map_a" * 50 + b"=x\n", "has too many parts"),
        (b"sops_mac=ENC[\nnonsense\n", "line 2: the line is neither NAME=value nor a comment"),
    ],
)
def test_hostile_dotenv_is_refused(content: bytes, problem: str) -> None:
    with pytest.raises(SopsError) as error:
        metadata_of(content, Format.DOTENV)

    assert problem in str(error.value)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"[sops\nmac=ENC[\n", "line 1: the name of the section is empty or not closed"),
        (b"[]\n[sops]\nmac=ENC[\n", "line 1: the name of the section is empty or not closed"),
        (b"[sops]\nmac=ENC[\nnonsense\n", "line 3: the line is neither a section"),
        (b'[sops]\nmac=ENC[\na="""open\n', "line 3: a quote that opens here is never closed"),
    ],
)
def test_hostile_ini_is_refused(content: bytes, problem: str) -> None:
    with pytest.raises(SopsError) as error:
        metadata_of(content, Format.INI)

    assert problem in str(error.value)


def test_a_pattern_that_is_none_is_refused() -> None:
    content = sealed().replace(b"^data$", b"'^(data'")

    assert "sops.encrypted_regex: '^(data' is not a regular expression" in refused(content)


def test_a_pattern_that_is_no_utf_8_matches_nothing_and_breaks_nothing() -> None:
    node = node_of({"A": "x"})
    assert isinstance(node, Branch)
    content = encrypted([node], Format.DOTENV, KEY, Rule("encrypted_regex", "^B"))

    plain = decrypted(content.replace(b"=^B", b"=^\x80"), Format.DOTENV, KEY, verify_mac=True)

    assert plain == b"A=x\n"


def test_a_long_or_broken_name_is_told_in_short() -> None:
    node = node_of({"A" * 5000: "x"})
    assert isinstance(node, Branch)
    content = encrypted([node], Format.DOTENV, KEY).replace(b"AAA", b"\xff")

    told = refused(content, Format.DOTENV)

    assert len(told) < 600
    assert told.startswith("secret.yaml:1: ???")
    assert told.isascii()


@pytest.mark.parametrize(
    "hostile",
    [
        "ENC[AES256_GCM,data:" + ",iv:" * 10_000 + ",tag:" * 10_000,
        "ENC[AES256_GCM,data:" * 10_000,
    ],
)
def test_a_value_that_only_begins_as_an_encrypted_one_is_refused_without_a_search(
    hostile: str,
) -> None:
    """With parts that may hold commas this took the third power of the length: weeks."""
    with pytest.raises(SopsError, match="it is not encrypted"):
        Cipher(KEY).decrypt(hostile, "a:")


def test_a_line_of_quotes_is_refused_without_a_search() -> None:
    """Else it is read once for each of its quotes, before anybody has shown a key."""
    content = b"[sops]\nmac=ENC[\n" + b'"' * 1_000_000

    with pytest.raises(SopsError, match="line 3: the line is neither a section"):
        metadata_of(content, Format.INI)


def test_an_error_about_a_value_has_the_value_in_no_cause() -> None:
    sealed = Cipher(KEY).encrypt("hunter2", "a:", secrets.token_bytes)

    with pytest.raises(SopsError) as error:
        Cipher(KEY).decrypt(sealed.replace("type:str", "type:float"), "a:")

    assert "hunter2" not in "".join(traceback.format_exception(error.value))


def test_a_file_without_encryption_is_refused() -> None:
    assert refused(b"a: b\n") == (
        "secret.yaml: it is not encrypted: it has no `sops` part with a mac"
    )


def test_utf_16_is_named() -> None:
    content = "sops: ENC[".encode("utf-16")

    assert metadata_of(content, Format.YAML) is None


@pytest.mark.parametrize("rekeyed", [False, True])
def test_a_hand_formatted_file_keeps_its_layout(rekeyed: bool) -> None:
    lines = sealed().decode().splitlines()
    enc = [line.split(": ", 1)[1] for line in lines[2:5]]
    rest = "\n".join(lines[5:])
    text = (
        f"# top\nkind:   Secret # of course\n\ndata:\n  user: '{enc[0]}' # who\n"
        f'  "password": >-\n    {enc[1]}\n  n: {enc[2]}\n\n# about sops\n{rest}\n# end\n'
    )
    new = secrets.token_bytes(32) if rekeyed else KEY
    rekey = Rekey(KEY, new, secrets.token_bytes) if rekeyed else None

    after = resealed(
        text.encode(), Format.YAML, [[MasterKey("age", "age1heir", "s")]], now=NOW, rekey=rekey
    )

    plain = (
        "# top\nkind:   Secret # of course\n\ndata:\n  user: anna # who\n"
        '  "password": hunter2\n  n: 1\n\n# about sops\n# end\n'
    )
    assert decrypted(text.encode(), Format.YAML, KEY, verify_mac=True).decode() == plain
    assert decrypted(after, Format.YAML, new, verify_mac=True).decode() == plain
    assert b"recipient: age1heir" in after


def test_a_key_without_a_date_gets_one() -> None:
    heirs = [MasterKey("kms", "arn:1", "s"), MasterKey("pgp", "A", "s", {"created_at": "then"})]

    after = resealed(sealed(), Format.YAML, [heirs], now=NOW)

    metadata = metadata_of(after, Format.YAML)
    assert metadata is not None
    assert [key.attributes["created_at"] for key in tuple(metadata.keys())] == [
        "2026-11-23T08:00:00Z",
        "then",
    ]


def test_json_in_a_yaml_file_stays_json() -> None:
    content = sealed(Format.JSON)

    plain = decrypted(content, Format.YAML, KEY, verify_mac=True)
    again = resealed(content, Format.YAML, [[MasterKey("age", "age1heir", "s")]], now=NOW)

    wanted = {"kind": "Secret", "data": {"user": "anna", "password": "hunter2", "n": 1}}
    assert json.loads(plain) == wanted
    assert json.loads(again)["sops"]["age"] == [{"enc": "s", "recipient": "age1heir"}]
    assert json.loads(decrypted(again, Format.YAML, KEY, verify_mac=True)) == wanted


def test_a_block_takes_the_comment_behind_it_nowhere() -> None:
    cipher = Cipher(KEY)
    node = node_of({"a": "x"})
    assert isinstance(node, Branch)
    lines = encrypted([node], Format.YAML, KEY).decode().splitlines()
    value = cipher.encrypt("one\ntwo", "a:", secrets.token_bytes)
    lines[0] = f"a: {value} # behind"

    plain = decrypted("\n".join(lines).encode(), Format.YAML, KEY, verify_mac=False)

    assert plain.decode() == 'a: "one\\ntwo" # behind\n'


def test_a_comment_of_several_lines_stays_a_comment() -> None:
    cipher = Cipher(KEY)
    node = node_of({"a": "x"})
    assert isinstance(node, Branch)
    content = encrypted([node], Format.YAML, KEY)
    text = cipher.encrypt("one\ninjected: x", ":", secrets.token_bytes, is_comment=True)

    plain = decrypted(f"#{text}\n".encode() + content, Format.YAML, KEY, verify_mac=True)

    assert plain == b"#one\n#injected: x\na: x\n"


def test_a_list_of_nothing_but_comments_stays_a_list() -> None:
    cipher = Cipher(KEY)
    node = node_of({"a": "x"})
    assert isinstance(node, Branch)
    texts = [cipher.encrypt(text, "l:", secrets.token_bytes, is_comment=True) for text in "cd"]
    head = "l:\n    - {}\n    - {}\n".format(*texts).encode()

    plain = decrypted(head + encrypted([node], Format.YAML, KEY), Format.YAML, KEY, verify_mac=True)

    assert plain == b"l:\n    #c\n    #d\n      []\na: x\n"
    assert yaml.safe_load(plain) == {"l": [], "a": "x"}


@pytest.mark.parametrize(
    ("path", "format"),
    [
        ("a/b.yaml", Format.YAML),
        ("a.yml", Format.YAML),
        ("a.json", Format.JSON),
        (".dockerconfigjson", Format.JSON),
        ("a.env", Format.DOTENV),
        (".env", Format.DOTENV),
        ("a.ini", Format.INI),
        ("a.txt", Format.BINARY),
        ("yaml", Format.BINARY),
    ],
)
def test_the_ending_says_the_format(path: str, format: Format) -> None:
    assert format_of(path) is format


@pytest.mark.parametrize("format", [Format.YAML, Format.JSON, Format.DOTENV, Format.INI])
def test_the_mark_says_the_format(format: Format) -> None:
    node = node_of({"section": {"a": "b"}} if format is Format.INI else {"a": "b"})
    assert isinstance(node, Branch)
    content = encrypted([node], format, KEY)

    assert marked_format(content) is format
    assert is_marked(content, format)
    assert marked_format(b"nothing of the kind") is None
