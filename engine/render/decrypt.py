"""Decrypt what a build meets: files of generators and patches, built objects, values of Secrets.

Pure: a data key that is not given is noted as lacking, and the build goes on with nothing in its
place, so that all are asked for at once.  Files of manifests are not decrypted: their objects are,
after the build, as in Flux; but that nobody changed them can only be seen in the file.
Source: flux-behaviour 4.6, kustomize-controller internal/decryptor.
"""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from traceback import format_tb
from typing import Any

from engine.api.meta import DECRYPT, DISABLED
from engine.errors import BuildFailed, Failure
from engine.objects.ref import Object
from engine.render.decrypt_cache import Decrypt
from engine.render.decrypt_files import NAME, Manifests, place_of, recognised, refusal
from engine.render.decrypt_keys import Decrypting, Opened, SealedKey
from engine.render.decrypt_words import Words
from engine.render.kustomize.errors import KustomizeError, Lacking, Needs
from engine.sops import (
    Format,
    Metadata,
    SopsError,
    decrypted_object,
    format_of,
    is_encrypted,
    marked_format,
    metadata_of,
    metadata_of_object,
)


@dataclass(frozen=True, slots=True)
class Keys:
    """What was brought for a build.

    data_keys: by id.  refusals: why one cannot be had, by id.
    """

    data_keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    refusals: Mapping[str, str] = field(default_factory=dict)


class Opener:
    """What decrypts for one build."""

    def __init__(self, how: Decrypting, keys: Keys, decrypt: Decrypt, words: Words) -> None:
        """decrypt: `decrypted_anew`, or what remembers.  words: is told what was decrypted."""
        self._how, self._keys, self._decrypt = how, keys, decrypt
        self._words = words
        self._lacking: dict[SealedKey, None] = {}
        self._used: dict[SealedKey, None] = {}
        self._manifests = Manifests()
        self._verified: set[tuple[str, str]] = set()  # (file, MAC)
        self._count = 0

    @property
    def needs(self) -> Needs:
        """The data keys that were found lacking."""
        return Needs(data_keys=frozenset(self._lacking))

    @property
    def opened(self) -> Opened:
        """What was decrypted so far."""
        words = self._words
        return Opened(words.values, words.files, frozenset(self._used), self._count)

    @property
    def secret(self) -> bytes:
        """What only those know who can decrypt all that was decrypted; empty if nothing was."""
        ids = sorted(key.id for key in self._used)
        return b"".join(self._keys.data_keys[each] for each in ids)

    def noted(self, content: bytes, file: str) -> bytes:
        """The content of a file of manifests, as it is: its objects are decrypted later."""
        self._manifests.add(content, file)
        return content

    def file(self, content: bytes, file: str, form: Format) -> bytes:
        """The content in plain text; nothing if its data key is lacking.

        form: as the name of the file says.  Raises KustomizeError.
        """
        found = recognised(content, file, form)
        if found is None:
            return content
        metadata, form = found
        where = place_of(content, file)
        data_key = self._data_key(metadata, where)
        if data_key is None:
            return b""
        try:
            plain = self._decrypt(content, form, data_key, self._how.verify_mac, None)
        except SopsError as error:
            raise KustomizeError(refusal(error.located(file))) from None
        self._count += 1
        self._words.read(content, plain, form, file)
        return plain

    def object(self, obj: Object, file: str, where: str) -> Object:
        """The object in plain text; as it is if it is not encrypted, or if a data key is lacking.

        file: of the manifest.  where: `file:line`.  Raises KustomizeError.
        """
        if has_opted_out(obj):
            return obj
        try:
            if is_encrypted(obj):
                return self._object(obj, file, where)
            if obj.get("kind") == "Secret" and isinstance(obj.get("data"), Mapping):
                return self._secret(obj, where)
        except SopsError as error:
            raise KustomizeError(refusal(str(error))) from None
        return obj

    def _object(self, obj: Object, file: str, where: str) -> Object:
        metadata = metadata_of_object(obj)
        data_key = self._data_key(metadata, where)
        if data_key is None:
            return obj
        if self._how.verify_mac:
            self._verify(metadata, file, data_key)
        plain = decrypted_object(obj, data_key)
        self._count += 1
        self._words.saw(obj, plain)
        return plain

    def _verify(self, metadata: Metadata, file: str, data_key: bytes) -> None:
        """Raises KustomizeError if the file is another one than was encrypted.

        Documents that were encrypted one by one stand in one file as well as those that were
        encrypted together: the MAC, which all of these share, says which is which.
        """
        if (file, metadata.mac) in self._verified:
            return
        form = Format.JSON if format_of(file) is Format.JSON else Format.YAML
        contents = list(self._manifests.under(metadata.mac, file))
        if not contents:
            raise KustomizeError(
                "its `sops` part is not that of its file, so that it cannot be verified: write the "
                "encrypted object as a file of its own, or set --no-sops-verify-mac "
                "(LOCKSTEP_SOPS_VERIFY_MAC=false)"
            )
        try:
            for content in contents:
                self._decrypt(content, form, data_key, True, None)
        except SopsError as error:
            raise KustomizeError(refusal(error.located(file))) from None
        self._verified.add((file, metadata.mac))

    def _secret(self, obj: Object, where: str) -> Object:
        """A Secret whose values may be encrypted files."""
        data: dict[str, Any] = dict(obj["data"])
        for name, value in obj["data"].items():
            content = decoded_value(value)
            form = marked_format(content) if NAME in content else None
            if form is None:
                continue
            try:
                plain = self._value(content, form, name, where)
            except SopsError as error:
                raise KustomizeError(refusal(error.located(f"data.{name}"))) from None
            if plain is not None:
                data[name] = b64encode(plain).decode()
        return {**obj, "data": data} if data != obj["data"] else obj

    def _value(self, content: bytes, form: Format, name: str, where: str) -> bytes | None:
        """The value in plain text, None if its data key is lacking."""
        metadata = metadata_of(content, form)
        if metadata is None:
            return None
        data_key = self._data_key(metadata, f"{where}: data.{name}")
        if data_key is None:
            return None
        output = format_of(name)
        if output is Format.BINARY and form is not Format.JSON:  # at rest BINARY is JSON
            output = form
        plain = self._decrypt(content, form, data_key, self._how.verify_mac, output)
        self._count += 1
        self._words.told(plain)
        return plain

    def _data_key(self, metadata: Metadata, where: str) -> bytes | None:
        """The data key, None if it is lacking.  Raises KustomizeError if it cannot be had."""
        key = SealedKey.of(metadata, where)
        data_key = self._keys.data_keys.get(key.id)
        if data_key is not None:
            self._used.setdefault(key)
        elif key.id in self._keys.refusals:
            raise KustomizeError(refusal(f"{where}: {self._keys.refusals[key.id]}"))
        else:
            self._lacking.setdefault(key)
        return data_key


@contextmanager
def discreet(words: Words) -> Iterator[None]:
    """What is raised inside quotes nothing that is secret."""
    try:
        yield
    except BuildFailed as failure:
        if not words.has_secrets:
            raise
        raise type(failure)(words.hidden(failure.message)) from None
    except (Failure, Lacking, MemoryError):
        raise
    except Exception as bug:
        if not words.has_secrets:
            raise
        hidden = RuntimeError(
            f"{type(bug).__name__}; its text may hold what is secret, and is left out"
        )
        hidden.add_note("".join(format_tb(bug.__traceback__)))
        raise hidden from None


def has_opted_out(obj: Object) -> bool:
    """Whether the object asks to be left as it is."""
    metadata = obj.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    wish = annotations.get(DECRYPT) if isinstance(annotations, Mapping) else None
    return str(wish).lower() == DISABLED


def is_refused(obj: Object) -> bool:
    """Whether it is a Secret that is still encrypted: it must not be applied so.

    What else has a `sops` part may be meant so: operators of their own decrypt it.
    """
    is_secret = (obj.get("apiVersion"), obj.get("kind")) == ("v1", "Secret")
    return is_secret and "sops" in obj and not has_opted_out(obj)


def decoded_value(value: object) -> bytes:
    """What base64 stands for; nothing if it is none, which applying will say."""
    try:
        return b64decode(value) if isinstance(value, str) else b""
    except (binascii.Error, ValueError):
        return b""
