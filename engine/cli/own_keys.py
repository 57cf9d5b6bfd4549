"""The keys of whoever runs a command: where `sops` looks for them, no program is run.

age: SOPS_AGE_KEY, SOPS_AGE_KEY_FILE, the user's `sops/age/keys.txt`, SOPS_AGE_SSH_PRIVATE_KEY_FILE.
OpenPGP: files that are named.  Key services: as the identity that the environment gives.
Source: getsops/sops age/keysource.go.
"""

import os
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from engine.api.kustomize import Kustomization
from engine.cli import steps
from engine.cli.plugins import plugin_context
from engine.cli.problems import Problem
from engine.plugin import Context, KeyRing, Plugin, load
from engine.reconcile.data_keys import DataKeys
from engine.reconcile.opening import Means, Opening
from engine.render import Rendered, RenderedObject
from engine.render.decrypt import decoded_value, is_refused
from engine.runtime import SystemClock
from engine.settings import Settings
from engine.sops import marked_format

if TYPE_CHECKING:
    from engine.cluster import Client

_KEYS: Final = Path("sops", "age", "keys.txt")
_SHOWN: Final = 3  # objects in a message
_HOW: Final = (
    "give --sops-age-key-file to decrypt it, or --kustomization-file with a Kustomization that has "
    "spec.decryption"
)
_HINT: Final = (
    "set SOPS_AGE_KEY or SOPS_AGE_KEY_FILE, give --sops-age-key-file, or set what a key service "
    "asks for: AWS_PROFILE, AZURE_CLIENT_ID, GOOGLE_APPLICATION_CREDENTIALS, or VAULT_ADDR and "
    "VAULT_TOKEN"
)
PGP_KEY_FILES: Final = "LOCKSTEP_SOPS_PGP_KEY_FILES"
"""Variable with paths of OpenPGP keys, `:` between them."""
_IDENTITIES: Final = (
    ("AWS_PROFILE",),
    ("AWS_ACCESS_KEY_ID",),
    ("AWS_WEB_IDENTITY_TOKEN_FILE",),
    ("AZURE_CLIENT_ID",),
    ("GOOGLE_APPLICATION_CREDENTIALS",),
    ("VAULT_ADDR", "VAULT_TOKEN"),
)
"""Variables with which somebody says as whom key services are to be asked."""
_VAULT_TOKEN: Final = "sops.vault-token"  # noqa: S105 - the key under which plugins look for one


@dataclass(frozen=True, slots=True)
class OwnOpening:
    """What opens data keys with the user's own keys, and asks key services while it is at work."""

    opening: Opening
    settings: Settings
    plugins: Plugin

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[Opening]:
        """The opening, in this event loop."""
        no_cluster = cast("Client", None)
        async with plugin_context(no_cluster, self.settings, self.plugins) as context:
            self.opening.context = replace(context, whose=YOURS)
            yield self.opening


YOURS: Final = "your own identity"


def opening_of(
    ks: Kustomization | None, key_file: Path | None, pgp_files: Sequence[Path] = ()
) -> OwnOpening | None:
    """What opens data keys with the user's own keys, None if nobody asks for it, or there are none.

    key_file: of age keys; then no other of these counts.  Raises Problem if a file that is named
    cannot be read.
    """
    is_asked = ks is not None and ks.spec.decryption is not None
    if not is_asked and key_file is None and not pgp_files:
        return None
    values = own_keys(key_file, pgp_files, "--sops-pgp-key-file")
    if not values and not any(all(map(os.environ.get, names)) for names in _IDENTITIES):
        steps.warning(f"no age key is there: what is encrypted stays so; {_HINT}")
        return None
    told = ", ".join(_named(values)) or "yours"
    ring, settings = asking(KeyRing(values), os.environ)
    nobody = cast("Context", None)  # until it is at work
    plugins = load()
    keys = DataKeys(SystemClock(), 0.0)
    return OwnOpening(
        Opening(Means(ring, told, ""), plugins.decryptors, nobody, keys), settings, plugins
    )


def own_keys(age_key_file: Path | None, pgp_files: Sequence[Path], option: str) -> dict[str, bytes]:
    """The values of a decryption Secret that holds them.  option: which names the OpenPGP files.

    Raises Problem if a file that is named cannot be read.
    """
    values = {f"{place}.agekey": text for place, text in found_keys(age_key_file, os.environ)}
    named = [Path(each) for each in os.environ.get(PGP_KEY_FILES, "").split(os.pathsep) if each]
    for path in named:
        values[f"{path}.asc"] = _read(path, PGP_KEY_FILES)
    for path in pgp_files:
        values[f"{path}.asc"] = _read(path, option)
    return values


def _named(values: Mapping[str, bytes]) -> Iterator[str]:
    return (each.removesuffix(".agekey").removesuffix(".asc") for each in values)


def asking(ring: KeyRing, environ: Mapping[str, str]) -> tuple[KeyRing, Settings]:
    """The ring and the settings with which key services are asked.

    A Vault's token (VAULT_TOKEN) goes to VAULT_ADDR only.
    """
    address, token = environ.get("VAULT_ADDR", ""), environ.get("VAULT_TOKEN", "")
    if not address or not token:
        return ring, Settings()
    values = {**ring.values, _VAULT_TOKEN: token.encode()}
    return KeyRing(values), Settings(sops_vault_addresses=(address,))


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
