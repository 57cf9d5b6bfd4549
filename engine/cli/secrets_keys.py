"""The keys of whoever runs `lockstep secrets`: age as sops finds them, OpenPGP from files."""

import os
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import anyio
import click

from engine.cli.own_keys import YOURS, asking, own_keys
from engine.cli.plugins import plugin_context
from engine.custody.recipients import Recipient, UnknownRecipient
from engine.plugin import Decryptor, KeyRing, load
from engine.reconcile.data_keys import LOCAL, DataKeys
from engine.reconcile.opening import Means, Opening
from engine.runtime import SystemClock
from engine.settings import Settings

if TYPE_CHECKING:
    from engine.cluster import Client

T = TypeVar("T")


def ring_of(age_key_file: Path | None, pgp_key_files: Sequence[Path]) -> KeyRing:
    """The keys at hand.  Raises Problem if a file cannot be read."""
    return KeyRing(own_keys(age_key_file, pgp_key_files, "--pgp-key-file"))


def local_opening(ring: KeyRing) -> Opening:
    """What opens with these keys alone, and asks no service."""
    decryptors = {kind: each for kind, each in load().decryptors.items() if kind in LOCAL}
    nobody = cast("Any", None)  # who has a key itself asks nobody
    return Opening(_means(ring), decryptors, nobody, DataKeys(SystemClock(), 0.0))


@asynccontextmanager
async def whole_opening(ring: KeyRing) -> AsyncIterator[Opening]:
    """What asks key services, too, as the identity that the environment gives."""
    plugins = load()
    whole, settings = asking(ring, os.environ)
    no_cluster = cast("Client", None)
    async with plugin_context(no_cluster, settings, plugins) as found:
        data_keys = DataKeys(SystemClock(), Settings().data_key_max_age)
        context = replace(found, whose=YOURS)
        yield Opening(_means(whole), plugins.decryptors, context, data_keys)


def _means(ring: KeyRing) -> Means:
    names = ", ".join(each.removesuffix(".agekey").removesuffix(".asc") for each in ring.values)
    told = names or "yours (none is there: set SOPS_AGE_KEY_FILE or give --age-key-file)"
    return Means(ring, told, "")


def ends_of(ring: KeyRing, decryptors: Mapping[str, Decryptor]) -> dict[str, float]:
    """When keys of the ring end, by recipient: seconds since 1970."""
    return {name: end for each in decryptors.values() for name, end in each.ends(ring).items()}


def recipients_of(texts: Sequence[str], option: str) -> tuple[Recipient, ...]:
    """What an option names.  Raises UsageError."""
    try:
        named = (part for text in texts for part in text.split(",") if part.strip())
        return tuple(dict.fromkeys(Recipient.of_text(each) for each in named))
    except UnknownRecipient as error:
        raise click.UsageError(f"{option}: {error}") from error


def awaited(function: Callable[..., Coroutine[Any, Any, T]], *arguments: Any) -> T:
    """What the async function gives."""
    return anyio.run(partial(function, *arguments))
