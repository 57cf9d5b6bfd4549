"""The real sops, age and gpg, each with keys of a test only: what engine/sops is compared with."""

import json
import os
import secrets
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyrage
from pyrage.x25519 import Identity

from engine.sops import (
    Format,
    MasterKey,
    Metadata,
    Rule,
    combined,
    dotenv,
    ini,
    json_text,
    metadata_of,
    yaml_write,
)
from engine.sops.crypt import Opened, sealed
from engine.sops.metadata import DEFAULT_RULE
from engine.sops.metadata_write import written
from engine.sops.tree import Branch
from engine.sops.walk import walk
from tests.controlplane.build import program

ENDINGS: Mapping[Format, str] = {
    Format.YAML: "file.yaml",
    Format.JSON: "file.json",
    Format.DOTENV: "file.env",
    Format.INI: "file.ini",
    Format.BINARY: "file.bin",
}

MODIFIED = "2026-11-23T06:00:00Z"

WRITERS: Mapping[Format, Callable[[list[Branch]], bytes]] = {
    Format.YAML: yaml_write.write,
    Format.JSON: json_text.write,
    Format.DOTENV: dotenv.write,
    Format.INI: ini.write,
    Format.BINARY: json_text.write,
}


class SopsRefused(Exception):  # noqa: N818 - what the program says
    """The real sops ended with an error."""


@dataclass(frozen=True, slots=True)
class AgeKey:
    """An age key pair."""

    identity: Identity = field(default_factory=Identity.generate)

    @property
    def recipient(self) -> str:
        return str(self.identity.to_public())

    def opened(self, content: bytes, format: Format) -> bytes:
        """The data key of a file that is sealed for this key alone, or for groups of it."""
        metadata = metadata_of(content, format)
        assert metadata is not None
        key = data_key(metadata, [self])
        assert key is not None
        return key


def encrypted(
    branches: list[Branch], format: Format, data_key: bytes, rule: Rule = DEFAULT_RULE
) -> bytes:
    """A file of these values, sealed for nobody; written by the engine's own writers."""
    nobody = MasterKey("age", "age1nobody", "sealed")
    metadata = Metadata(((nobody,),), 0, "", MODIFIED, rule, version="3.13.2")
    found: list[Opened] = []
    walk(
        branches,
        rule,
        lambda node, place: found.append(Opened(node, place, place.bound, place.is_encrypted)),
    )
    mac = sealed(found, metadata, data_key, MODIFIED, secrets.token_bytes)
    for branch in branches:
        branch.items.append(("sops", written(replace(metadata, mac=mac))))
    return WRITERS[format](branches)


def data_key(metadata: Metadata, keys: Sequence[AgeKey]) -> bytes | None:
    """The data key as these age keys give it; None: too few of them."""
    parts = {}
    by_recipient = {key.recipient: key for key in keys}
    for key in tuple(metadata.keys()):
        if key.kind == "age" and key.recipient in by_recipient:
            identity = by_recipient[key.recipient].identity
            parts[key] = bytes(pyrage.decrypt(key.encrypted.encode(), [identity]))
    return combined(metadata, parts)


@dataclass(frozen=True, slots=True)
class Sops:
    """Runs the real sops in a folder that is its home, too."""

    folder: Path
    keys: Sequence[AgeKey] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def encrypt(self, content: bytes, format: Format, *flags: str) -> bytes:
        """The file, encrypted, for the keys unless a flag or a `.sops.yaml` says for whom."""
        if not {"--age", "--pgp"} & {*flags} and not (self.folder / ".sops.yaml").exists():
            flags = ("--age", ",".join(key.recipient for key in self.keys), *flags)
        path = self._file(content, format)
        return self.run("encrypt", *flags, *_types(format), str(path))

    def rule(self, **fields: object) -> None:
        """Encrypt by such a creation rule from now on, for all keys in one group."""
        lines = [f"  {name}: {json.dumps(value)}\n" for name, value in fields.items()]
        keys = ",".join(key.recipient for key in self.keys)
        text = f"creation_rules:\n- age: {keys}\n{''.join(lines)}"
        (self.folder / ".sops.yaml").write_text(text)

    def decrypt(self, content: bytes, format: Format, *flags: str) -> bytes:
        """The file, decrypted and its MAC verified.  Raises SopsRefused."""
        path = self._file(content, format)
        return self.run("decrypt", *flags, *_types(format), str(path))

    def run(self, *words: str) -> bytes:
        """What sops printed.  Raises SopsRefused."""
        secrets = "\n".join(str(key.identity) for key in self.keys)
        done = subprocess.run(
            [str(program("sops")), "--disable-version-check", *words],
            cwd=self.folder,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.folder),
                "SOPS_AGE_KEY": secrets,
                **self.environment,
            },
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise SopsRefused(done.stderr.decode())
        return done.stdout

    def _file(self, content: bytes, format: Format) -> Path:
        path = self.folder / ENDINGS[format]
        path.write_bytes(content)
        return path


def _types(format: Format) -> tuple[str, ...]:
    return "--input-type", format.value, "--output-type", format.value


@dataclass(frozen=True, slots=True)
class GnuPg:
    """A keyring of gpg in a folder of its own."""

    folder: Path

    def run(self, *words: str, content: bytes = b"") -> bytes:
        """What gpg printed."""
        done = subprocess.run(
            ["gpg", "--batch", "-q", "--pinentry-mode", "loopback", "--passphrase", "", *words],
            env={"PATH": os.environ["PATH"], "GNUPGHOME": str(self.folder)},
            input=content,
            capture_output=True,
            check=True,
        )
        return done.stdout

    def generate(
        self, name: str, algorithm: str, usage: str, expires: str, before: tuple[str, ...] = ()
    ) -> str:
        """The fingerprint of a new key.  before: options of gpg."""
        self.folder.chmod(0o700)
        self.run(*before, "--quick-gen-key", name, algorithm, usage, expires)
        return self.fingerprints(name)[0]

    def fingerprints(self, name: str) -> list[str]:
        """Of the key and its subkeys, the newest last."""
        lines = self.run("--list-secret-keys", "--with-colons", name).decode().splitlines()
        return [line.split(":")[9] for line in lines if line.startswith("fpr:")]

    def exported(self, *names: str) -> bytes:
        """The private keys, armored."""
        return self.run("--armor", "--export-secret-keys", *names)

    def stop(self) -> None:
        """End the agent that gpg started for this folder."""
        subprocess.run(["gpgconf", "--homedir", str(self.folder), "--kill", "all"], check=False)


def printed(*words: str | Path, content: bytes = b"") -> bytes:
    """What a program printed that must not fail."""
    command = [str(word) for word in words]
    return subprocess.run(command, input=content, capture_output=True, check=True).stdout
