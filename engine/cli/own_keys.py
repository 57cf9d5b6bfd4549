"""The age keys of whoever runs a command: where `sops` looks for them, no program is run.

Source: getsops/sops age/keysource.go: SOPS_AGE_KEY, SOPS_AGE_KEY_FILE, the user's
`sops/age/keys.txt` and SOPS_AGE_SSH_PRIVATE_KEY_FILE.
"""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, cast

from engine.api.kustomize import Kustomization
from engine.cli import steps
from engine.cli.problems import Problem
from engine.plugin import Context, KeyRing, load
from engine.reconcile.data_keys import LOCAL, DataKeys
from engine.reconcile.opening import Means, Opening
from engine.render import Rendered
from engine.render.decrypt import decoded_value, is_refused
from engine.render.pipeline import RenderedObject
from engine.runtime import SystemClock
from engine.sops import marked_format

_KEYS: Final = Path("sops", "age", "keys.txt")
_SHOWN: Final = 3  # objects in a message
_HOW: Final = (
    "give --sops-age-key-file to decrypt it, or --kustomization-file with a Kustomization that has "
    "spec.decryption"
)
_HINT: Final = "set SOPS_AGE_KEY or SOPS_AGE_KEY_FILE, or give --sops-age-key-file"


def opening_of(ks: Kustomization | None, key_file: Path | None) -> Opening | None:
    """What opens data keys with the user's own keys, None if nobody asks for it, or there are none.

    key_file: one that was asked for by name; then no other counts.  Raises Problem if a file that
    is named cannot be read.
    """
    is_asked = ks is not None and ks.spec.decryption is not None
    if not is_asked and key_file is None:
        return None
    found = dict(found_keys(key_file, os.environ))
    if not found:
        steps.warning(f"no age key is there: what is encrypted stays so; {_HINT}")
        return None
    ring = KeyRing({f"{place}.agekey": text for place, text in found.items()})
    decryptors = {kind: each for kind, each in load().decryptors.items() if kind in LOCAL}
    nobody = cast("Context", None)  # who has a key itself asks nobody
    means = Means(ring, ", ".join(found), "")
    return Opening(means, decryptors, nobody, DataKeys(SystemClock(), 0.0))


def warn_of_encrypted(rendered: Rendered, ks: Kustomization | None) -> None:
    """Say what stays encrypted, as nobody has asked to decrypt it: the engine may refuse it."""
    if ks is None:
        files = dict.fromkeys(each.origin for each in rendered.objects if _is_sealed(each))
        if files:
            steps.warning(f"stays encrypted: {_listed(list(files))}; {_HOW}")
        return
    refused = [str(each.ref) for each in rendered.objects if is_refused(each.obj)]
    if refused and ks.spec.decryption is None:
        steps.warning(
            f"encrypted, and the engine would refuse it: {_listed(refused)}; set spec.decryption"
        )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"


def _is_sealed(made: RenderedObject) -> bool:
    """Whether it, or a file in a Secret's data, is encrypted."""
    data = made.obj.get("data") if made.ref.kind == "Secret" else None
    values = data.values() if isinstance(data, Mapping) else ()
    return made.encrypted or any(marked_format(decoded_value(each)) for each in values)


def found_keys(key_file: Path | None, environ: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    """(where, what) of every key.  Raises Problem if a file that is named cannot be read."""
    if key_file is not None:
        yield str(key_file), _read(key_file, "--sops-age-key-file")
        return
    if text := environ.get("SOPS_AGE_KEY"):
        yield "SOPS_AGE_KEY", text.encode()
    for name in ("SOPS_AGE_KEY_FILE", "SOPS_AGE_SSH_PRIVATE_KEY_FILE"):
        if path := environ.get(name):
            yield path, _read(Path(path), name)
    for folder in _folders(environ):
        if (folder / _KEYS).is_file():
            yield str(folder / _KEYS), _read(folder / _KEYS, "the default key file")
            return


def _folders(environ: Mapping[str, str]) -> Iterator[Path]:
    """Where users have their configuration."""
    if folder := environ.get("XDG_CONFIG_HOME"):
        yield Path(folder)
    if home := environ.get("HOME"):
        is_mac = sys.platform == "darwin"
        yield Path(home, *(("Library", "Application Support") if is_mac else (".config",)))


def _read(path: Path, whose: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Problem(f"{whose}: '{path}' cannot be read: {error.strerror}") from error
