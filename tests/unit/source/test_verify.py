"""Signatures that real programs made, judged against the keys that a Secret holds."""

import base64
import hashlib
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from engine.errors import Failure
from engine.source.author import commit_files, create_repository
from engine.source.failures import (
    InvalidCommitSignature,
    InvalidGitObject,
    InvalidTagSignature,
    InvalidVerificationMode,
)
from engine.source.signature_ssh import fingerprint, verified_ssh
from engine.source.signed import GitObject, Signed, Unverified, signed_commit
from engine.source.verify import Trust
from tests.support.signing import HAS_GPG, HAS_SSH_KEYGEN, Signing, signing_place

FOREVER = 4_000_000_000.0  # in 2096

pytestmark = pytest.mark.skipif(
    not (HAS_GPG and HAS_SSH_KEYGEN), reason="gpg, ssh-keygen or git is not installed"
)


@pytest.fixture(scope="module")
def signing() -> Iterator[Signing]:
    with signing_place() as place:
        yield place


@pytest.fixture(scope="module")
def ada(signing: Signing) -> str:
    return signing.openpgp_key()


@pytest.fixture(scope="module")
def ssh(signing: Signing) -> Path:
    return signing.ssh_key()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    create_repository(tmp_path / "r.git")
    commit_files(tmp_path / "r.git", {"a.yaml": b"1"}, "A change", committed_at=1_700_000_000)
    return tmp_path / "r.git"


def now() -> float:
    return time.clock_gettime(time.CLOCK_REALTIME)  # gpg makes keys by the machine's clock


def trust(mode: str = "HEAD", at: float | None = None, **data: bytes) -> Trust:
    """The trust of a Secret; `_` in a key is a dot."""
    named = {name.replace("_", "."): value for name, value in data.items()}
    return Trust.of(mode, named, now() if at is None else at)


def commit_by(signing: Signing, repository: Path, key: str | Path) -> GitObject:
    commit_id = signing.commit(repository, key)
    return GitObject(commit_id, signing.raw(repository, commit_id))


def tag_by(signing: Signing, repository: Path, key: str | Path, name: str = "v1") -> GitObject:
    tag_id = signing.tag(repository, name, key)
    return GitObject(tag_id, signing.raw(repository, tag_id), name)


def refused(kind: type[Failure], trusted: Trust, commit: GitObject, tag: GitObject | None) -> str:
    with pytest.raises(kind) as caught:
        trusted.check(commit, tag)
    return str(caught.value)


UNSIGNED = GitObject("1" * 40, b"tree 1\nauthor a\n\nA change\n")


def test_a_commit_signed_with_gpg_names_its_key(
    signing: Signing, ada: str, repository: Path
) -> None:
    commit = commit_by(signing, repository, ada)

    said = trust(ada_asc=signing.exported(ada)).check(commit, None)

    assert said == f"verified signature of\n\t- commit '{commit.id}' with key '{ada[-16:]}'"


@pytest.mark.parametrize(
    ("kind", "bits"),
    [("ed25519", ""), ("rsa", "3072"), ("ecdsa", "256"), ("ecdsa", "384"), ("ecdsa", "521")],
)
def test_a_commit_signed_with_ssh_names_its_key(
    signing: Signing, repository: Path, kind: str, bits: str
) -> None:
    key = signing.ssh_key(kind, bits)
    commit = commit_by(signing, repository, key)
    public = key.with_suffix(".pub").read_bytes()

    said = trust(ada_sshpub=b"# trusted\n\n" + public).check(commit, None)

    shown = signing.run("ssh-keygen", "-lf", f"{key}.pub").decode().split()[1]
    assert said == f"verified signature of\n\t- commit '{commit.id}' with key '{shown}'"


@pytest.mark.parametrize("mode", ["Tag", "TagAndHEAD", "head"])
def test_each_mode_verifies_what_it_names(
    signing: Signing, ada: str, ssh: Path, repository: Path, mode: str
) -> None:
    commit = commit_by(signing, repository, ada)
    tag = tag_by(signing, repository, ssh)
    public = ssh.with_suffix(".pub").read_bytes()

    trusted = trust(mode, a_asc=signing.exported(ada), b_sshpub=public)
    said = trusted.check(commit, tag)

    lines = {
        "Tag": [f"tag 'v1@{tag.id}' with key '{fingerprint(base64.b64decode(public.split()[1]))}'"],
        "head": [f"commit '{commit.id}' with key '{ada[-16:]}'"],
    }
    lines["TagAndHEAD"] = lines["Tag"] + lines["head"]
    assert said == "verified signature of" + "".join(f"\n\t- {line}" for line in lines[mode])
    assert trusted.mode == {"head": "HEAD"}.get(mode, mode)


def test_a_key_whose_name_in_the_secret_says_nothing_is_taken_for_openpgp(
    signing: Signing, ada: str, repository: Path
) -> None:
    commit = commit_by(signing, repository, ada)

    assert trust(author=signing.exported(ada)).check(commit, None)


def test_of_many_keys_in_many_rings_any_may_sign(
    signing: Signing, ada: str, repository: Path
) -> None:
    other = signing.openpgp_key("Bob <bob@example.org>")
    commit = commit_by(signing, repository, ada)
    ring = signing.exported(other) + b"\n" + signing.exported(ada)

    assert trust(all_asc=ring).check(commit, None)
    assert trust(broken_asc=b"rubbish", ada_asc=signing.exported(ada)).check(commit, None)


def test_an_unsigned_commit_is_refused(signing: Signing, ada: str) -> None:
    said = refused(InvalidCommitSignature, trust(a_asc=signing.exported(ada)), UNSIGNED, None)

    assert said == (
        f"signature verification of commit '{'1' * 40}' failed: unsupported signature type: empty"
    )


def test_a_commit_by_somebody_else_is_refused_with_both_key_ids(
    signing: Signing, ada: str, repository: Path
) -> None:
    other = signing.openpgp_key("Eve <eve@example.org>")
    commit = commit_by(signing, repository, other)

    trusted = trust(a_asc=signing.exported(ada))
    said = refused(InvalidCommitSignature, trusted, commit, None)

    assert said == (
        f"signature verification of commit '{commit.id}' failed: unable to verify Git commit: "
        "unable to verify payload with any of the given key rings: no matching key "
        f"(it names {other[-16:]} as its key, trusted are {ada[-16:]})"
    )


def test_an_ssh_commit_by_somebody_else_is_refused_with_both_keys(
    signing: Signing, ssh: Path, repository: Path
) -> None:
    commit = commit_by(signing, repository, signing.ssh_key())

    trusted = trust(a_sshpub=ssh.with_suffix(".pub").read_bytes())
    said = refused(InvalidCommitSignature, trusted, commit, None)

    assert "unable to verify Git commit SSH signature: unable to verify payload with any" in said
    assert re.search(r"\(it is by SHA256:\S+, trusted are SHA256:\S+\)", said)


@pytest.mark.parametrize("form", ["openpgp", "ssh"])
def test_a_signature_over_other_content_is_refused(
    signing: Signing, ada: str, ssh: Path, repository: Path, form: str
) -> None:
    commit = commit_by(signing, repository, ada if form == "openpgp" else ssh)
    public = ssh.with_suffix(".pub").read_bytes()
    trusted = trust(a_asc=signing.exported(ada), b_sshpub=public)
    changed = commit.raw.replace(b"\n\nSigned", b"\n\nsigned")
    moved = re.sub(rb"^tree [0-9a-f]{40}", b"tree " + b"1" * 40, commit.raw)
    longer = commit.raw + b"x"
    header = commit.raw.replace(b"\n\n", b"\nencoding x\n\n")

    for raw in (changed, moved, longer, header):
        assert raw != commit.raw
        refused(InvalidCommitSignature, trusted, GitObject(commit.id, raw), None)


def test_cve_2026_45022_a_second_signature_makes_a_commit_ambiguous(
    signing: Signing, ada: str, repository: Path
) -> None:
    commit = commit_by(signing, repository, ada)
    own = signed_commit(commit).signature.replace(b"\n", b"\n ")
    raw = commit.raw.replace(b"\n\n", b"\ngpgsig " + own + b"\n\n")

    trusted = trust(a_asc=signing.exported(ada))
    said = refused(InvalidCommitSignature, trusted, GitObject(commit.id, raw), None)

    assert "the commit carries 2 signatures" in said


def test_a_signature_in_the_message_is_no_signature_of_the_commit(
    signing: Signing, ada: str, repository: Path
) -> None:
    signature = signed_commit(commit_by(signing, repository, ada)).signature
    raw = UNSIGNED.raw + b"\ngpgsig " + signature

    trusted = trust(a_asc=signing.exported(ada))

    assert "empty" in refused(InvalidCommitSignature, trusted, GitObject("1" * 40, raw), None)


def test_a_key_that_has_expired_by_now_proves_nothing(
    signing: Signing, ada: str, repository: Path
) -> None:
    commit = commit_by(signing, repository, ada)

    trusted = trust(at=FOREVER, a_asc=signing.exported(ada))
    said = refused(InvalidCommitSignature, trusted, commit, None)

    assert f"no matching key: the key {ada[-16:]} expired at 20" in said


def test_a_key_that_was_revoked_since_proves_nothing(signing: Signing, repository: Path) -> None:
    key = signing.openpgp_key("Rae <rae@example.org>")
    commit = commit_by(signing, repository, key)
    assert trust(a_asc=signing.exported(key)).check(commit, None)
    signing.revoke(key)

    trusted = trust(a_asc=signing.exported(key))
    said = refused(InvalidCommitSignature, trusted, commit, None)

    assert "no matching key" in said


def test_a_part_of_a_key_that_expired_or_was_revoked_proves_nothing(
    signing: Signing, repository: Path
) -> None:
    key = signing.openpgp_key("Sub <sub@example.org>", expire="never")
    signing.add_subkey(key, "1y")
    commit = commit_by(signing, repository, key)
    ring = signing.exported(key)
    said = trust(a_asc=ring).check(commit, None)
    signing.revoke_subkey(key)

    expired = refused(InvalidCommitSignature, trust(at=FOREVER, a_asc=ring), commit, None)
    revoked = trust(a_asc=signing.exported(key))
    revoked_text = refused(InvalidCommitSignature, revoked, commit, None)

    assert said.endswith(f"with key '{key[-16:]}'")  # of the whole key, as Flux says
    assert re.search("the subkey [0-9A-F]{16} expired at", expired)
    assert "no matching key" in revoked_text


def test_a_tag_of_another_name_is_refused(signing: Signing, ada: str, repository: Path) -> None:
    tag = tag_by(signing, repository, ada, "v1")
    passed_off = GitObject(tag.id, tag.raw, "v9")

    trusted = trust("Tag", a_asc=signing.exported(ada))
    said = refused(InvalidTagSignature, trusted, UNSIGNED, passed_off)

    assert said == (
        f"signature verification of tag 'v9@{tag.id}' failed: what was signed is the tag 'v1': "
        "sign a tag of this name"
    )


def test_a_changed_tag_is_refused(signing: Signing, ada: str, repository: Path) -> None:
    tag = tag_by(signing, repository, ada)
    moved = re.sub(rb"^object [0-9a-f]{40}", b"object " + b"1" * 40, tag.raw)

    trusted = trust("Tag", a_asc=signing.exported(ada))

    said = refused(InvalidTagSignature, trusted, UNSIGNED, GitObject(tag.id, moved, "v1"))
    assert said.startswith(
        f"signature verification of tag 'v1@{tag.id}' failed: unable to verify Git tag: "
    )


@pytest.mark.parametrize(
    ("tag", "named"),
    [
        (GitObject("", b"", "v1"), "v1"),
        (GitObject("2" * 40, b"object 1\ntype commit\ntag v1\n\nm\n", "v1"), "v1@" + "2" * 40),
    ],
    ids=["lightweight", "annotated"],
)
def test_a_tag_that_is_not_signed_is_refused(tag: GitObject, named: str) -> None:
    said = refused(InvalidGitObject, trust("Tag", a_asc=b"x"), UNSIGNED, tag)

    assert said == f"cannot verify signature of tag '{named}' since it is not signed"


def test_without_a_tag_the_modes_for_tags_stall() -> None:
    said = refused(InvalidVerificationMode, trust("TagAndHEAD"), UNSIGNED, None)

    assert said == "cannot verify tag object's signature if a tag reference is not specified"
    assert InvalidVerificationMode.terminal


def test_keys_of_the_other_kind_are_of_no_use(
    signing: Signing, ada: str, ssh: Path, repository: Path
) -> None:
    by_gpg = commit_by(signing, repository, ada)
    by_ssh = commit_by(signing, repository, ssh)
    public = ssh.with_suffix(".pub").read_bytes()

    first = refused(InvalidCommitSignature, trust(a_sshpub=public), by_gpg, None)
    second = refused(InvalidCommitSignature, trust(a_asc=signing.exported(ada)), by_ssh, None)

    assert first.endswith("no PGP public keys found in secret (keys with .asc suffix)")
    assert second.endswith("no SSH public keys found in secret (keys with .sshpub suffix)")


@pytest.mark.parametrize("ring", [b"", b"rubbish", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n"])
def test_a_ring_that_cannot_be_read_is_named_without_a_stack(
    signing: Signing, ada: str, repository: Path, ring: bytes
) -> None:
    commit = commit_by(signing, repository, ada)

    said = refused(InvalidCommitSignature, trust(a_asc=ring), commit, None)

    assert "unable to verify Git commit: unable to read armored key ring: " in said
    assert "\n" not in said


def ssh_string(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def armoured(
    key: bytes, signature: bytes, namespace: bytes = b"git", hash_: bytes = b"sha512"
) -> bytes:
    blob = b"SSHSIG\0\0\0\1" + ssh_string(key, namespace, b"", hash_, signature)
    text = base64.b64encode(blob)
    return b"-----BEGIN SSH SIGNATURE-----\n" + text + b"\n-----END SSH SIGNATURE-----"


def to_be_signed(content: bytes) -> bytes:
    return b"SSHSIG" + ssh_string(b"git", b"", b"sha512", hashlib.sha512(content).digest())


def by_token(content: bytes, kind: str, *, is_touched: bool = True) -> tuple[bytes, bytes]:
    """(key, signature) as a hardware token makes them; source: openssh PROTOCOL.u2f."""
    flags = bytes([is_touched]) + (7).to_bytes(4, "big")
    message = to_be_signed(content)
    signed = hashlib.sha256(b"ssh:").digest() + flags + hashlib.sha256(message).digest()
    if kind == "sk-ssh-ed25519@openssh.com":
        private = ed25519.Ed25519PrivateKey.generate()
        public = private.public_key().public_bytes_raw()
        key = ssh_string(kind.encode(), public, b"ssh:")
        return key, ssh_string(kind.encode(), private.sign(signed)) + flags
    curve = ec.generate_private_key(ec.SECP256R1())
    point = curve.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    numbers = decode_dss_signature(curve.sign(signed, ec.ECDSA(SHA256())))
    value = ssh_string(*(each.to_bytes(33, "big") for each in numbers))
    key = ssh_string(kind.encode(), b"nistp256", point, b"ssh:")
    return key, ssh_string(kind.encode(), value) + flags


@pytest.mark.parametrize(
    "kind", ["sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"]
)
def test_a_hardware_token_signs_when_it_is_touched(kind: str) -> None:
    key, signature = by_token(b"content", kind)
    untouched_key, untouched = by_token(b"content", kind, is_touched=False)
    lines = [kind.encode() + b" " + base64.b64encode(each) for each in (key, untouched_key)]

    assert verified_ssh(Signed(b"content", armoured(key, signature)), lines) == fingerprint(key)
    with pytest.raises(Unverified, match="nobody touched the token"):
        verified_ssh(Signed(b"content", armoured(untouched_key, untouched)), lines)


def test_a_signature_made_for_another_purpose_is_refused(signing: Signing, ssh: Path) -> None:
    signature = signing.signed_by_ssh(ssh, b"content", "file").strip()

    with pytest.raises(Unverified, match="it was made for b'file', not for Git"):
        verified_ssh(Signed(b"content", signature), [ssh.with_suffix(".pub").read_bytes()])


def spoilt(signature: bytes, **changes: bytes) -> bytes:
    """The signature with parts of it replaced."""
    blob = base64.b64decode(b"".join(signature.split(b"\n")[1:-1]))
    for old, new in changes.items():
        blob = blob.replace(old.encode(), new)
    text = base64.b64encode(blob)
    return b"-----BEGIN SSH SIGNATURE-----\n" + text + b"\n-----END SSH SIGNATURE-----"


BROKEN: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "hash": (lambda text: spoilt(text, sha512=b"sha1__"), "unsupported hash algorithm b'sha1__'"),
    "version": (lambda text: spoilt(text, SSHSIG=b"SSHGIS"), "of no known version"),
    "end": (lambda text: text.replace(b"-----END", b"-----OND"), "its end is missing"),
    "letters": (lambda text: text.replace(b"U1NI", b"!!!!"), "unable to unarmor SSH signature"),
    "length": (lambda text: text[:70] + text[-29:], "unable to unarmor SSH signature"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_ssh_signature_is_refused(signing: Signing, ssh: Path, broken: str) -> None:
    signature = signing.signed_by_ssh(ssh, b"content").strip()
    spoil, problem = BROKEN[broken]

    with pytest.raises(Unverified, match=problem):
        verified_ssh(Signed(b"content", spoil(signature)), [ssh.with_suffix(".pub").read_bytes()])


def test_whatever_bit_of_a_signature_is_turned_it_proves_nothing(
    signing: Signing, ssh: Path
) -> None:
    signature = signing.signed_by_ssh(ssh, b"content").strip()
    blob = base64.b64decode(b"".join(signature.split(b"\n")[1:-1]))
    trusted = [ssh.with_suffix(".pub").read_bytes()]

    for at in range(len(blob)):
        turned = blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :]
        text = b"-----BEGIN SSH SIGNATURE-----\n" + base64.b64encode(turned)
        with pytest.raises(Unverified):
            verified_ssh(Signed(b"content", text + b"\n-----END SSH SIGNATURE-----"), trusted)


@pytest.mark.parametrize("options", ["", "ada@example.org ", 'restrict,command="echo a b" '])
def test_options_and_names_may_stand_before_a_key(
    signing: Signing, ssh: Path, options: str
) -> None:
    signature = signing.signed_by_ssh(ssh, b"content").strip()
    line = options.encode() + ssh.with_suffix(".pub").read_bytes()

    assert verified_ssh(Signed(b"content", signature), [line])


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ('ada valid-before="20200101"', "valid-before"),
        ("cert-authority", "cert-authority"),
        ('ada namespaces="file"', "namespaces"),
    ],
)
def test_an_option_that_limits_a_key_is_refused_and_not_forgotten(
    signing: Signing, ssh: Path, option: str, name: str
) -> None:
    signature = signing.signed_by_ssh(ssh, b"content").strip()
    line = option.encode() + b" " + ssh.with_suffix(".pub").read_bytes()

    with pytest.raises(Unverified, match=f"the option '{name}' limits a key"):
        verified_ssh(Signed(b"content", signature), [line])


@pytest.mark.parametrize("text", [b"", b"# nothing\n", b"ssh-ed25519 AAAA\n", b"no key\n"])
def test_lines_that_hold_no_key_are_named(signing: Signing, ssh: Path, text: bytes) -> None:
    signature = signing.signed_by_ssh(ssh, b"content").strip()

    with pytest.raises(Unverified, match="unable to parse authorized keys: "):
        verified_ssh(Signed(b"content", signature), [text])
