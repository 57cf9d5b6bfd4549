"""`lockstep secrets` beside the real sops: what one writes the other reads, and agrees with."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from engine.sops import Format, metadata_of
from tests.support.sops import ENDINGS, AgeKey, GnuPg, Sops, SopsRefused

pytestmark = pytest.mark.limit(120)  # the tools may have to start cold

TEXTS = {
    Format.YAML: b"# kept\na: one\nb:\n    - 2\n    - true\n---\nc: three\n",
    Format.JSON: b'{\n\t"a": "one",\n\t"b": [2, true]\n}\n',
    Format.DOTENV: b"# kept\nA=one\nB=two words\n",
    Format.INI: b"[first]\na = one\n",
    Format.BINARY: b"\x00\x01 any bytes \xff",
}


@dataclass
class Shop:
    """A Git folder, and two people who encrypt in it."""

    folder: Path
    old: AgeKey
    new: AgeKey
    gnupg: GnuPg

    def sops(self, *keys: AgeKey) -> Sops:
        return Sops(self.folder, keys, {"GNUPGHOME": str(self.gnupg.folder)})

    def lockstep(self, *words: str, status: int = 0) -> str:
        """What `lockstep secrets` printed."""
        done = subprocess.run(
            [sys.executable, "-m", "engine", "secrets", *words],
            cwd=self.folder,
            env={"SOPS_AGE_KEY": str(self.old.identity), "HOME": str(self.folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def rules(self, *rules: object) -> None:
        (self.folder / ".sops.yaml").write_text(yaml.safe_dump({"creation_rules": list(rules)}))


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    (tmp_path / "fleet" / ".git").mkdir(parents=True)
    (tmp_path / "gnupg").mkdir()
    gnupg = GnuPg(tmp_path / "gnupg")
    yield Shop(tmp_path / "fleet", AgeKey(), AgeKey(), gnupg)
    gnupg.stop()


@pytest.mark.parametrize("has_new_key", [False, True])
@pytest.mark.parametrize("format", list(Format))
def test_sops_decrypts_what_was_rotated(shop: Shop, format: Format, has_new_key: bool) -> None:
    path = shop.folder / ENDINGS[format]
    path.write_bytes(shop.sops(shop.old).encrypt(TEXTS[format], format))
    before = shop.sops(shop.old).decrypt(path.read_bytes(), format)
    extra = ["--new-data-key"] if has_new_key else []

    shop.lockstep("rotate", path.name, "--to", shop.new.recipient, "--yes", *extra)

    after = path.read_bytes()
    assert shop.sops(shop.new).decrypt(after, format) == before
    with pytest.raises(SopsRefused):
        shop.sops(shop.old).decrypt(after, format)


def test_sops_finds_nothing_to_update_after_a_rotation_by_the_rules(shop: Shop) -> None:
    pgp = shop.gnupg.generate("ops", "rsa2048", "encr", "1y")
    ring = shop.folder.parent / "public.asc"
    ring.write_bytes(shop.gnupg.run("--armor", "--export"))
    path = shop.folder / "file.yaml"
    shop.rules({"path_regex": "^file", "age": [shop.old.recipient]})
    path.write_bytes(shop.sops(shop.old).encrypt(TEXTS[Format.YAML], Format.YAML))
    shop.rules(
        {
            "path_regex": "^file",
            "shamir_threshold": 2,
            "key_groups": [
                {"age": [shop.old.recipient]},
                {"merge": [{"age": [shop.new.recipient]}], "pgp": [pgp]},
                {"age": [AgeKey().recipient]},
            ],
        }
    )
    before = shop.sops(shop.old).decrypt(path.read_bytes(), Format.YAML)

    assert shop.new.recipient in shop.lockstep("check", status=1)
    shop.lockstep("rotate", ".", "--yes", "--pgp-key-file", str(ring))

    rotated = path.read_bytes()
    shop.sops(shop.old, shop.new).run("updatekeys", "--yes", "file.yaml")
    metadata = metadata_of(rotated, Format.YAML)
    assert metadata is not None
    assert (len(metadata.groups), metadata.needed) == (3, 2)
    assert path.read_bytes() == rotated
    assert "rotate" not in shop.lockstep("check", "--pgp-key-file", str(ring), status=0)
    assert shop.sops(shop.old, shop.new).decrypt(path.read_bytes(), Format.YAML) == before
    assert shop.sops(shop.old).decrypt(path.read_bytes(), Format.YAML) == before  # by OpenPGP


def test_what_sops_encrypts_by_the_rules_is_as_they_say(shop: Shop) -> None:
    pgp = shop.gnupg.generate("ops", "rsa2048", "encr", "1y")
    spaced = " ".join(pgp[at : at + 4] for at in range(0, 40, 4))
    ages = f" {shop.old.recipient} ,{shop.new.recipient},"
    shop.rules({"path_regex": r"\.json$", "age": "age1x"}, {"age": ages, "pgp": spaced})
    encrypted = shop.sops(shop.old).encrypt(TEXTS[Format.YAML], Format.YAML)
    (shop.folder / "file.yaml").write_bytes(encrypted)

    assert "verified with the keys at hand" in shop.lockstep("check")
