"""Renders what is encrypted, with the age keys of some people."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import pyrage

from engine.render import (
    Decrypting,
    Keys,
    Lacking,
    Remotes,
    Rendered,
    Request,
    SealedKey,
    render,
)
from engine.source.tree import MemoryTree
from tests.support.sealing import Person

REFUSED = "no key of Secret 'apps/keys' opens it"


@dataclass(frozen=True, slots=True)
class Decrypted:
    """A build.  rounds: what each try lacked, the last one excepted."""

    rendered: Rendered
    rounds: Sequence[frozenset[SealedKey]]

    def values(self, name: str) -> dict[str, str]:
        """The data of the object of that name."""
        found = next(each.obj for each in self.rendered.objects if each.ref.name == name)
        return dict(found.get("stringData") or found.get("data") or {})


def tree(files: dict[str, bytes | str]) -> MemoryTree:
    """Files by path."""
    return MemoryTree(
        {path: each.encode() if isinstance(each, str) else each for path, each in files.items()}
    )


def opened(keys: Iterable[SealedKey], people: Sequence[Person]) -> Keys:
    """The data keys that one of the people can open; why the others cannot be had."""
    found: dict[str, bytes] = {}
    refusals: dict[str, str] = {}
    for key in keys:
        for person in people:
            try:
                armored = key.metadata.groups[0][0].encrypted.encode()
                found[key.id] = pyrage.decrypt(armored, [person.identity])
            except pyrage.DecryptError:
                continue
        if key.id not in found:
            refusals[key.id] = REFUSED
    return Keys(found, refusals)


def decrypted(
    files: dict[str, bytes | str],
    *people: Person,
    request: Request | None = None,
    verify_mac: bool = True,
    bases: dict[str, MemoryTree] | None = None,
) -> Decrypted:
    """What is built once every data key was asked for.  Raises what the build raises."""
    asked = replace(request or Request(), decryption=Decrypting("these", verify_mac))
    rounds: list[frozenset[SealedKey]] = []
    keys = Keys()
    while True:
        try:
            rendered = render(tree(files), asked, Remotes(bases or {}, keys=keys))
        except Lacking as lacking:
            rounds.append(lacking.needs.data_keys)
            more = opened(lacking.needs.data_keys, people)
            keys = Keys({**keys.data_keys, **more.data_keys}, {**keys.refusals, **more.refusals})
            continue
        return Decrypted(rendered, rounds)
