"""Makes the files in `tests/unit/sops/vectors` anew with the real sops and gpg.

`python -m tests.support.sops_vectors` writes them; their keys open nothing else.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Final

from pyrage.x25519 import Identity

from engine.sops import Format
from tests.support.sops import AgeKey, GnuPg, Sops

FOLDER: Final = Path(__file__).parent.parent / "unit/sops/vectors"
KEYS: Final = (
    AgeKey(
        Identity.from_str(
            "AGE-SECRET-KEY-14C8FGCLCXE3MD85HWCW8X0UXEQQ6625AJGKUNUGJDJPJFFT23W9Q0WLNR5"
        )
    ),
)
NAMES: Final = {
    Format.YAML: "secret.yaml",
    Format.JSON: "config.json",
    Format.DOTENV: "shop.env",
    Format.INI: "shop.ini",
    Format.BINARY: "blob.bin",
}
PLAIN: Final = {
    Format.YAML: b"""\
# of the shop
apiVersion: v1
kind: Secret
metadata:
    name: shop
stringData:
    # where it is
    url: https://shop.example.com
    port: 8443
    ratio: 0.25
    open: true
    since: 2024-05-06T07:08:09Z
    certificate: |
        -----BEGIN CERTIFICATE-----
        MIIB
    tags: [a, "1", {deep: x}]
---
kind: Second
data:
    a: b
""",
    Format.JSON: b'{"a": "b", "n": 9007199254740993, "list": [1.5, true, null, {"c": "<d>"}]}\n',
    Format.DOTENV: b"# of the shop\nURL=https://shop.example.com\nTEXT=one\\ntwo\nEMPTY=\n",
    Format.INI: b"; of the shop\n[shop]\nurl = https://shop.example.com\n; text\nkey = a#b\n",
    Format.BINARY: bytes(range(256)),
}


def main() -> int:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        sops = Sops(Path(name), KEYS)
        for format, content in PLAIN.items():
            sealed = sops.encrypt(content, format)
            (FOLDER / NAMES[format]).write_bytes(sealed)
            (FOLDER / f"{NAMES[format]}.plain").write_bytes(sops.decrypt(sealed, format))
        groups = "".join(f"    - age: [{KEYS[0].recipient}]\n" for _ in range(3))
        rule = "- shamir_threshold: 2\n  encrypted_regex: Data$\n  key_groups:\n"
        (sops.folder / ".sops.yaml").write_text(f"creation_rules:\n{rule}{groups}")
        (FOLDER / "groups.yaml").write_bytes(
            replace(sops, keys=()).encrypt(PLAIN[Format.YAML], Format.YAML)
        )
        expired(Path(name, "gnupg"))
    return 0


def expired(folder: Path) -> None:
    """A message to a subkey, both of a time that is over."""
    folder.mkdir()
    gnupg = GnuPg(folder)
    then = ("--faked-system-time", "20200101T000000")
    try:
        name = gnupg.generate("Old <old@example.com>", "ed25519", "default", "2d", before=then)
        gnupg.run(*then, "--quick-add-key", name, "cv25519", "encr", "2d")
        words = ("--trust-model", "always", "-a", "-r", name, "--encrypt")
        message = gnupg.run(*then, *words, content=b"0123456789abcdef0123456789abcdef")
        (FOLDER / "expired.asc").write_bytes(gnupg.exported(name))
        (FOLDER / "expired.message").write_bytes(message)
    finally:
        gnupg.stop()


if __name__ == "__main__":
    sys.exit(main())
