"""Keys and signatures by the real programs: gpg, ssh-keygen and git."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

HAS_GPG = shutil.which("gpg") is not None and shutil.which("git") is not None
HAS_SSH_KEYGEN = shutil.which("ssh-keygen") is not None and shutil.which("git") is not None

_PERSON = "Ada <ada@example.org>"


@dataclass
class Signing:
    """A place for keys; environment: of the programs, which know nothing of who runs the tests."""

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, *command: str, text: bytes = b"", repository: Path | None = None) -> bytes:
        """What the program writes."""
        done = subprocess.run(
            command,
            input=text,
            env=self.environment,
            cwd=repository or self.folder,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def gpg(self, *arguments: str, text: bytes = b"") -> bytes:
        batch = ("gpg", "--batch", "--pinentry-mode", "loopback", "--passphrase", "")
        return self.run(*batch, *arguments, text=text)

    def openpgp_key(self, name: str = _PERSON, kind: str = "ed25519", expire: str = "2y") -> str:
        """The fingerprint of a new key."""
        self.gpg("--quick-gen-key", name, kind, "sign", expire)
        lines = self.gpg("--list-keys", "--with-colons", f"={name}").decode().splitlines()
        return next(line.split(":")[9] for line in lines if line.startswith("fpr"))

    def add_subkey(self, key: str, expire: str) -> None:
        """Another part of a key, which signs from now on."""
        self.gpg("--quick-add-key", key, "ed25519", "sign", expire)

    def exported(self, *keys: str) -> bytes:
        return self.gpg("--export", "--armor", *keys)

    def revoke(self, key: str) -> None:
        made = (self.folder / "openpgp-revocs.d" / f"{key}.rev").read_text()
        self.gpg("--import", text=made.replace(":-----BEGIN", "-----BEGIN").encode())

    def revoke_subkey(self, key: str) -> None:
        answers = b"key 1\nrevkey\ny\n0\n\ny\nsave\n"
        options = ("--no-batch", "--no-tty", "--status-fd", "2", "--command-fd", "0")
        self.gpg(*options, "--edit-key", key, text=answers)

    def ssh_key(self, kind: str = "ed25519", bits: str = "") -> Path:
        """The file of a new private key; the public one is beside it."""
        number = len(list(self.folder.glob("*.pub")))
        file = self.folder / f"{kind}{bits}-{number}"
        size = ("-b", bits) if bits else ()
        self.run("ssh-keygen", "-q", "-t", kind, *size, "-N", "", "-C", "ada", "-f", str(file))
        return file

    def signed_by_ssh(self, key: Path, content: bytes, namespace: str = "git") -> bytes:
        return self.run("ssh-keygen", "-Y", "sign", "-n", namespace, "-f", str(key), text=content)

    def _signer(self, key: str | Path) -> tuple[str, ...]:
        is_ssh = isinstance(key, Path)
        form = "ssh" if is_ssh else "openpgp"
        return ("git", "-c", f"gpg.format={form}", "-c", f"user.signingkey={key}")

    def commit(self, repository: Path, key: str | Path, branch: str = "main") -> str:
        """The id of the branch's commit, made anew with a signature."""
        old = self.run("git", "rev-parse", branch, repository=repository).decode().strip()
        parents = self.run("git", "rev-parse", f"{old}^@", repository=repository).decode().split()
        arguments = [part for parent in parents for part in ("-p", parent)]
        command = (*self._signer(key), "commit-tree", "-S", *arguments, f"{old}^{{tree}}")
        new = self.run(*command, "-m", "Signed", repository=repository).decode().strip()
        self.run("git", "update-ref", f"refs/heads/{branch}", new, repository=repository)
        return new

    def tag(self, repository: Path, name: str, key: str | Path, target: str = "main") -> str:
        """The id of a new signed tag."""
        command = (*self._signer(key), "tag", "-s", "-m", "A release", name, target)
        self.run(*command, repository=repository)
        return self.run("git", "rev-parse", name, repository=repository).decode().strip()

    def raw(self, repository: Path, object_id: str) -> bytes:
        """The content of an object."""
        kind = self.run("git", "cat-file", "-t", object_id, repository=repository).decode().strip()
        return self.run("git", "cat-file", kind, object_id, repository=repository)


@contextmanager
def signing_place() -> Iterator[Signing]:
    """A Signing, gone afterwards with the agent that gpg started."""
    # Not below pytest's folder: the path of the agent's socket has 108 characters at most.
    folder = Path(tempfile.mkdtemp(prefix="sign-"))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GNUPGHOME": str(folder),
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_SYSTEM": "/dev/null",
        "GIT_AUTHOR_NAME": "Ada",
        "GIT_AUTHOR_EMAIL": "ada@example.org",
        "GIT_COMMITTER_NAME": "Ada",
        "GIT_COMMITTER_EMAIL": "ada@example.org",
    }
    try:
        yield Signing(folder, environment)
    finally:
        if shutil.which("gpgconf"):
            subprocess.run(["gpgconf", "--kill", "all"], env=environment, check=False)
        shutil.rmtree(folder, ignore_errors=True)
