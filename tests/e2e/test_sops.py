"""What the real sops encrypts the engine decrypts byte for byte; what it seals sops decrypts."""

import copy
import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyrage
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.plugin import KeyRing, KeyUnavailable
from engine.sops import (
    Format,
    MasterKey,
    Rekey,
    SopsError,
    combined,
    decrypted,
    metadata_of,
    resealed,
    split,
)
from plugins.decryptors import age, pgp
from tests.controlplane.build import program
from tests.support.sops import (
    WRITERS,
    AgeKey,
    GnuPg,
    Sops,
    SopsRefused,
    data_key,
    encrypted,
    printed,
)
from tests.support.sops_values import contents

NO_CONTEXT: Final[Any] = None  # age and pgp need none: no network, no clock
NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)

YAML = b"""\
# a comment at the top
apiVersion: v1
kind: Secret
metadata:
    name: credentials # of the shop
    labels:
        app: shop
stringData:
    # the password
    password: hunter2
    empty: ""
    multi: |
        first line
          indented

        last line
    folded: >
        all on
        one line
    keep: |+
        text

    leading: "  two spaces\\nand a line"
    special: "tab\\tand \\u0007 bell"
    emoji: "\xf0\x9f\x98\x80 caf\xc3\xa9"
    looks_like: ["true", "null", "1", "1.5", "2024-01-01", "yes", "0x10", "~", "1:30"]
    like_syntax: ["- a", "a: b", "[", "%a", "@b", "? c", "*d", "&e", "!f", "a:", ":", "-"]
    "quoted key": value
    spaces: " leading and trailing "
    hash: "a # b"
numbers:
    int: 42
    negative: -7
    octal: 0644
    hex: 0x1F
    float: 1.5
    whole: 1.0
    large: 1e30
    small: 0.00000012
    underscore: 1_000
words:
    yes: yes
    bool: true
    nothing: null
    tilde: ~
    when: 2024-05-06T07:08:09Z
    day: 2024-05-06
    spaced: 2024-05-06 07:08:09.5
    zoned: 2024-05-06T07:08:09.120+02:00
list:
    - one
    - 2
    - nested:
        deeper: [1, two, {three: 3}]
    - - a
      - b
    - |
      a block
      in a list
plain_unencrypted: visible
emptymap: {}
emptylist: []
# at the end
"""
JSON = b"""\
{"a": "text", "n": 1, "f": 1.0, "big": 9007199254740993, "t": true, "z": null,
 "l": [1, [2, "x"], {}], "o": {"<html>": "a&b\\u2028", "u\\u00e9": "\\ud83d\\ude00 \\t"},
 "empty": "", "small": 1e-7, "large": 1e22, "beyond": 18446744073709551616}
"""
DOTENV = b"""\
# a comment
NAME=value
EMPTY=
QUOTED="as it is"
MULTI=one\\ntwo
SPACES=  kept
EQUALS=a=b=c
"""
INI = b"""\
top = 1

; about the section
[section]
; about the key
key     = value
long    = a long value
colon: yes
hash    = `with # and ;`
quoted  = "  spaces  "
empty   =

[other]
a.b = 1
"""
BINARY = bytes(range(256)) * 3
PLAIN = {
    Format.YAML: YAML,
    Format.JSON: JSON,
    Format.DOTENV: DOTENV,
    Format.INI: INI,
    Format.BINARY: BINARY,
}
MANY = b"""\
a: 1
# about b
b: two
---
# second
a: 3
c:
    d: 4
"""
COMMENTED = b"""\
a: not this
# sops:enc
b: but this
c:
    # sops:enc
    d:
        e: and this
        # a comment in it
        f: 3
    g: not this
list:
    - not this
    # sops:enc
    - but this
    - not this
h: inline # sops:enc
i: not this
"""
LISTED = b"""\
list:
    # in the list
    - one
    - nested:
        # in the mapping
        deeper: x
    - two
    # at the end of the list
after: x
"""
RULES: tuple[dict[str, object], ...] = (
    {},
    {"encrypted_regex": "^(stringData|list)$"},
    {"unencrypted_regex": "^(apiVersion|kind|metadata)$"},
    {"encrypted_suffix": "Data"},
    {"unencrypted_suffix": "s"},
    {"encrypted_regex": "^stringData$", "mac_only_encrypted": True},
)


@pytest.fixture(scope="module", autouse=True)
def tools() -> None:
    """Build them, if they are missing, outside of any test's time."""
    program("sops")


@pytest.fixture
def key() -> AgeKey:
    return AgeKey()


@pytest.fixture
def sops(tmp_path: Path, key: AgeKey) -> Sops:
    return Sops(tmp_path, [key])


@pytest.fixture
def gnupg(tmp_path: Path) -> Iterator[GnuPg]:
    folder = tmp_path / "gnupg"
    folder.mkdir()
    found = GnuPg(folder)
    yield found
    found.stop()


@pytest.mark.parametrize("format", list(Format))
def test_a_file_of_sops_is_decrypted_byte_for_byte(sops: Sops, key: AgeKey, format: Format) -> None:
    sealed = sops.encrypt(PLAIN[format], format)

    plain = decrypted(sealed, format, key.opened(sealed, format), verify_mac=True)

    assert plain == sops.decrypt(sealed, format)


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("content", [YAML, MANY])
def test_every_rule_says_the_same_as_in_sops(
    sops: Sops, key: AgeKey, rule: dict[str, object], content: bytes
) -> None:
    sops.rule(**rule)
    sealed = sops.encrypt(content, Format.YAML)

    plain = decrypted(sealed, Format.YAML, key.opened(sealed, Format.YAML), verify_mac=True)

    assert plain == sops.decrypt(sealed, Format.YAML)


@pytest.mark.parametrize("kind", ["encrypted_comment_regex", "unencrypted_comment_regex"])
def test_comments_say_what_is_encrypted(sops: Sops, key: AgeKey, kind: str) -> None:
    sops.rule(**{kind: "sops:enc"})
    sealed = sops.encrypt(COMMENTED, Format.YAML)

    plain = decrypted(sealed, Format.YAML, key.opened(sealed, Format.YAML), verify_mac=True)

    assert plain == sops.decrypt(sealed, Format.YAML)
    assert (b"e: ENC[" in sealed) is kind.startswith("enc")


def test_comments_in_a_list_are_no_items_of_it(sops: Sops, key: AgeKey) -> None:
    """Sops 3.13 writes them as items, and then finds its own MAC wrong; Flux asks no MAC."""
    sealed = sops.encrypt(LISTED, Format.YAML)
    opens = key.opened(sealed, Format.YAML)
    rekey = Rekey(opens, secrets.token_bytes(32), secrets.token_bytes)

    plain = decrypted(sealed, Format.YAML, opens, verify_mac=True)
    again = resealed(sealed, Format.YAML, [[sealed_for(key, rekey.new)]], now=NOW, rekey=rekey)

    assert plain == sops.decrypt(sealed, Format.YAML, "--ignore-mac") == LISTED
    assert again.count(b"type:comment") == sealed.count(b"type:comment") == 3
    assert sops.decrypt(again, Format.YAML, "--ignore-mac") == LISTED
    assert decrypted(again, Format.YAML, rekey.new, verify_mac=True) == LISTED


@pytest.mark.parametrize("format", [Format.JSON, Format.DOTENV, Format.YAML, Format.BINARY])
def test_a_file_is_written_in_another_format_as_sops_would(
    sops: Sops, key: AgeKey, format: Format
) -> None:
    content = b'{"data": "text", "b": "two\\nlines", "c": "1"}'
    sealed = sops.encrypt(content, Format.JSON)
    path = sops.folder / "file.json"
    path.write_bytes(sealed)

    plain = decrypted(
        sealed, Format.JSON, key.opened(sealed, Format.JSON), verify_mac=True, output=format
    )

    assert plain == sops.run("decrypt", "--output-type", format.value, str(path))


@pytest.mark.parametrize("format", list(Format))
@pytest.mark.parametrize("rekeyed", [False, True])
def test_sops_decrypts_what_was_sealed_for_somebody_else(
    sops: Sops, key: AgeKey, format: Format, rekeyed: bool
) -> None:
    before = sops.encrypt(PLAIN[format], format)
    old, heir = key.opened(before, format), AgeKey()
    new = secrets.token_bytes(32) if rekeyed else old
    rekey = Rekey(old, new, secrets.token_bytes) if rekeyed else None

    after = resealed(before, format, [[sealed_for(heir, new)]], now=NOW, rekey=rekey)

    assert replace(sops, keys=[heir]).decrypt(after, format) == sops.decrypt(before, format)
    with pytest.raises(SopsRefused):
        sops.decrypt(after, format)
    if not rekeyed:
        assert changed_values(before, after) == 0


@pytest.mark.parametrize("format", [Format.YAML, Format.JSON, Format.DOTENV, Format.INI])
def test_a_new_seal_is_laid_out_as_sops_lays_it_out(
    sops: Sops, key: AgeKey, format: Format
) -> None:
    """What `sops updatekeys` writes for the same recipient differs by the sealed key alone."""
    before = sops.encrypt(PLAIN[format], format)
    metadata = metadata_of(before, format)
    assert metadata is not None

    assert resealed(before, format, metadata.groups, now=NOW) == before


def test_some_groups_of_several_suffice(tmp_path: Path) -> None:
    keys = [AgeKey(), AgeKey(), AgeKey()]
    sops = Sops(tmp_path, keys)
    (tmp_path / ".sops.yaml").write_text(grouped(keys, 2))

    sealed = sops.encrypt(YAML, Format.YAML)

    metadata = metadata_of(sealed, Format.YAML)
    assert metadata is not None
    assert data_key(metadata, keys[:1]) is None
    for two in (keys[:2], keys[1:], keys[::2], keys):
        found = data_key(metadata, two)
        assert found is not None
        assert decrypted(sealed, Format.YAML, found, verify_mac=True) == sops.decrypt(
            sealed, Format.YAML
        )


@pytest.mark.parametrize("format", [Format.YAML, Format.JSON, Format.DOTENV, Format.INI])
def test_sops_joins_the_shares_that_the_engine_made(
    sops: Sops, key: AgeKey, format: Format
) -> None:
    before = sops.encrypt(PLAIN[format], format)
    people = [AgeKey(), AgeKey(), AgeKey()]
    shares = split(key.opened(before, format), 3, 2, secrets.token_bytes)

    after = resealed(
        before,
        format,
        [[sealed_for(*each)] for each in zip(people, shares, strict=True)],
        now=NOW,
        threshold=2,
    )

    assert replace(sops, keys=people[1:]).decrypt(after, format) == sops.decrypt(before, format)
    with pytest.raises(SopsRefused):
        replace(sops, keys=people[:1]).decrypt(after, format)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"name: credentials", b"name: Credentials"),
        (b"    app: shop\n", b""),
        (b"    app: shop\n", b"    app: shop\n        more: x\n"),
        (b"kind: Secret\n", b"kind: Secret\nextra: x\n"),
        (b"apiVersion: v1\nkind: Secret\n", b"kind: Secret\napiVersion: v1\n"),
    ],
    ids=["changed", "removed", "added inside", "added", "moved"],
)
def test_what_was_changed_after_encryption_is_refused_as_by_sops(
    sops: Sops, key: AgeKey, old: bytes, new: bytes
) -> None:
    sealed = sops.encrypt(YAML, Format.YAML, "--encrypted-regex", "^stringData$")
    assert old in sealed
    tampered = sealed.replace(old, new)
    opens = key.opened(sealed, Format.YAML)

    with pytest.raises(SopsError, match="MAC does not match"):
        decrypted(tampered, Format.YAML, opens, verify_mac=True)

    with pytest.raises(SopsRefused, match="MAC mismatch"):
        sops.decrypt(tampered, Format.YAML)
    plain = decrypted(tampered, Format.YAML, opens, verify_mac=False)
    assert yaml.safe_load(plain) == yaml.safe_load(
        sops.decrypt(tampered, Format.YAML, "--ignore-mac")
    )


def test_encrypted_values_cannot_change_places(sops: Sops, key: AgeKey) -> None:
    sealed = sops.encrypt(b"user: anna\npassword: hunter2\n", Format.YAML)
    swapped = sealed.replace(b"user:", b"x:").replace(b"password:", b"user:")

    with pytest.raises(SopsError, match="not encrypted for this place") as refused:
        decrypted(swapped, Format.YAML, key.opened(sealed, Format.YAML), verify_mac=False)

    assert refused.value.located("secrets.yaml").startswith("secrets.yaml:1: x: ")


@pytest.mark.parametrize("algorithm", ["rsa2048", "cv25519", "nistp256"])
async def test_a_key_that_expired_still_opens_what_was_sealed_for_it(
    gnupg: GnuPg, algorithm: str
) -> None:
    then = ("--faked-system-time", "20200101T000000")
    name = gnupg.generate("Old <old@example.com>", "ed25519", "default", "2d", before=then)
    gnupg.run(*then, "--quick-add-key", name, algorithm, "encr", "2d")
    message = gnupg.run(
        *then, "--trust-model", "always", "-a", "-r", name, "--encrypt", content=b"k" * 32
    )
    ring = KeyRing({"old.asc": gnupg.exported(name)})

    assert name in pgp.held(ring)
    key = MasterKey("pgp", name, message.decode())
    assert await pgp.open_key(key, ring, NO_CONTEXT) == b"k" * 32
    lines = key.encrypted.splitlines()
    lines[-3] = ("B" if lines[-3].startswith("A") else "A") + lines[-3][1:]
    with pytest.raises(KeyUnavailable, match="the message is damaged"):
        await pgp.open_key(replace(key, encrypted="\n".join(lines)), ring, NO_CONTEXT)


async def test_every_subkey_of_a_key_opens_what_was_sealed_for_it(gnupg: GnuPg) -> None:
    name = gnupg.generate("Anna <anna@example.com>", "ed25519", "default", "never")
    sealed = []
    for algorithm in ("cv25519", "rsa2048", "cv25519"):
        gnupg.run("--quick-add-key", name, algorithm, "encr", "never")
        target = gnupg.fingerprints(name)[-1]
        words = ("--trust-model", "always", "-a", "-r", f"{target}!", "--encrypt")
        sealed.append(gnupg.run(*words, content=b"k" * 32).decode())
    ring = KeyRing({"anna.asc": gnupg.exported(name)})

    for text in sealed:
        assert await pgp.open_key(MasterKey("pgp", name, text), ring, NO_CONTEXT) == b"k" * 32


@pytest.mark.parametrize("format", [Format.YAML, Format.JSON, Format.DOTENV, Format.INI])
@settings(
    max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(data=st.data())
def test_any_values_come_out_the_same_in_sops_and_the_engine(
    sops: Sops, key: AgeKey, format: Format, data: st.DataObject
) -> None:
    tree = data.draw(contents[format])
    own = secrets.token_bytes(32)
    ours = encrypted([copy.deepcopy(tree)], format, own)
    ours = resealed(ours, format, [[sealed_for(key, own)]], now=NOW)
    theirs = sops.encrypt(WRITERS[format]([tree]), format)

    assert decrypted(ours, format, own, verify_mac=True) == sops.decrypt(ours, format)
    opens = key.opened(theirs, format)
    assert decrypted(theirs, format, opens, verify_mac=True) == sops.decrypt(theirs, format)


def test_pgp_and_age_share_a_group(sops: Sops, key: AgeKey, gnupg: GnuPg) -> None:
    name = gnupg.generate("Anna <anna@example.com>", "future-default", "default", "never")
    with_gpg = replace(sops, environment={"GNUPGHOME": str(gnupg.folder)})

    sealed = with_gpg.encrypt(YAML, Format.YAML, "--pgp", name, "--age", key.recipient)

    metadata = metadata_of(sealed, Format.YAML)
    assert metadata is not None
    (group,) = metadata.groups
    assert [(each.kind, each.recipient) for each in group] == [
        ("pgp", name),
        ("age", key.recipient),
    ]
    assert combined(metadata, {group[1]: b"k"}) == b"k"
    again = resealed(sealed, Format.YAML, [group[:1]], now=NOW)
    assert replace(with_gpg, keys=[]).decrypt(again, Format.YAML) == sops.decrypt(
        sealed, Format.YAML
    )


async def test_the_real_age_and_the_engine_open_what_the_other_sealed(tmp_path: Path) -> None:
    made = printed(program("age-keygen")).decode()
    ring = KeyRing({"mine.agekey": made.encode()})
    (recipient,) = age.held(ring)
    (tmp_path / "key").write_text(made)

    theirs = printed(program("age"), "-a", "-r", recipient, content=b"k" * 32).decode()
    ours = await age.seal_key(b"k" * 32, recipient, KeyRing(), NO_CONTEXT)

    assert await age.open_key(MasterKey("age", recipient, theirs), ring, NO_CONTEXT) == b"k" * 32
    words = (program("age"), "-d", "-i", tmp_path / "key")
    assert printed(*words, content=ours.encrypted.encode()) == b"k" * 32
    assert len(theirs.splitlines()[1]) == len(ours.encrypted.splitlines()[1]) == 64


async def test_a_post_quantum_key_of_the_real_age_is_refused_with_the_way_out() -> None:
    made = printed(program("age-keygen"), "-pq")
    ring = KeyRing({"mine.agekey": made})

    with pytest.raises(KeyUnavailable, match="post-quantum identity, which is not supported"):
        await age.open_key(MasterKey("age", "age1pq1x", ""), ring, NO_CONTEXT)


async def test_an_ssh_key_opens_what_the_real_sops_sealed_for_it(tmp_path: Path) -> None:
    printed("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "id")
    public = (tmp_path / "id.pub").read_text().strip()
    sops = Sops(tmp_path, environment={"SOPS_AGE_SSH_PRIVATE_KEY_FILE": str(tmp_path / "id")})
    sealed = sops.encrypt(JSON, Format.JSON, "--age", public)
    metadata = metadata_of(sealed, Format.JSON)
    assert metadata is not None
    (key,) = tuple(metadata.keys())
    ring = KeyRing({"ssh.agekey": (tmp_path / "id").read_bytes()})

    opened = await age.open_key(key, ring, NO_CONTEXT)

    assert decrypted(sealed, Format.JSON, opened, verify_mac=True) == sops.decrypt(
        sealed, Format.JSON
    )


def sealed_for(key: AgeKey, data: bytes) -> MasterKey:
    text = pyrage.encrypt(data, [key.identity.to_public()], armored=True).decode()
    return MasterKey("age", key.recipient, text)


def grouped(keys: list[AgeKey], threshold: int) -> str:
    groups = "".join(f"    - age: [{key.recipient}]\n" for key in keys)
    return f"creation_rules:\n- shamir_threshold: {threshold}\n  key_groups:\n{groups}"


def changed_values(before: bytes, after: bytes) -> int:
    """How many encrypted values of the one text are not in the other."""
    found = {word for word in before.split() if word.startswith((b"ENC[", b'"ENC['))}
    return sum(word not in after for word in found)
