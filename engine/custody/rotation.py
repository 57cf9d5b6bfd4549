"""Encrypted files for other recipients, or with another data key; nothing is written here.

What comes out was decrypted again and compared.  Source: getsops/sops updatekeys, rotate.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from engine.custody.agreement import is_same_group
from engine.custody.creation_rules import CreationRule, CreationRules, InvalidRules
from engine.custody.recipients import Recipient
from engine.custody.survey import Sealed, sealed_in
from engine.custody.verification import WITHIN, verifiable
from engine.errors import Failure
from engine.plugin import KeyUnavailable
from engine.reconcile.opening import Opening
from engine.render import SealedKey
from engine.sops import (
    Format,
    MasterKey,
    Metadata,
    Rekey,
    SopsError,
    decrypted,
    metadata_of,
    resealed,
    split,
)

_KEY_BYTES: Final = 32


class Unrotatable(Exception):  # noqa: N818 - says what is wrong, like a Failure
    """A file that stays as it is: why, and what to do."""


@dataclass(frozen=True, slots=True)
class Wish:
    """For whom files are to be encrypted; nothing given: as `.sops.yaml` says."""

    to: tuple[Recipient, ...] = ()
    add: tuple[Recipient, ...] = ()
    remove: tuple[Recipient, ...] = ()
    new_data_key: bool = False


@dataclass(frozen=True, slots=True)
class Sealer:
    """What rotates: opens with the keys at hand, and seals.

    now: of the files' dates.  noise: so many random bytes, as `secrets.token_bytes` gives.
    """

    opening: Opening
    rules: CreationRules
    now: Callable[[], datetime]
    noise: Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Rotated:
    """A file as it is going to be."""

    file: str
    content: bytes = field(repr=False)
    added: tuple[Recipient, ...]
    removed: tuple[Recipient, ...]
    has_new_key: bool


@dataclass(frozen=True, slots=True)
class _Goal:
    """groups, threshold, contexts: as in CreationRule."""

    groups: tuple[tuple[Recipient, ...], ...]
    threshold: int
    contexts: Mapping[Recipient, Mapping[str, str]] = field(default_factory=dict)

    @property
    def needed(self) -> int:
        return (self.threshold or len(self.groups)) if len(self.groups) > 1 else 1


async def rotated(sealed: Sealed, content: bytes, wish: Wish, sealer: Sealer) -> Rotated | None:
    """The file as wished, verified; None: it is already so.  Raises Unrotatable."""
    metadata = sealed.metadata
    if metadata is None:
        raise Unrotatable(sealed.problem)
    if verifiable(content, sealed) != content:
        raise Unrotatable(
            "its documents were encrypted one by one: put each into a file of its own first"
        )
    goal = _goal(sealed, metadata, wish, sealer.rules)
    if not wish.new_data_key and _is_reached(sealed, metadata, goal):
        return None
    old = await _data_key(metadata, sealed.place, sealer.opening)
    new = sealer.noise(_KEY_BYTES) if wish.new_data_key else old
    groups = await _sealed(metadata, goal, new, wish, sealer)
    rekey = Rekey(old, new, sealer.noise) if wish.new_data_key else None
    try:
        made = resealed(
            content,
            sealed.format,
            groups,
            now=sealer.now(),
            threshold=goal.threshold,
            rekey=rekey,
        )
        is_same = _plain(content, sealed.format, old) == _plain(made, sealed.format, new)
    except SopsError as error:
        raise Unrotatable(f"it is not what was encrypted: {error}") from error
    await _check(sealed, made, goal, new, sealer, is_same=is_same)
    wanted = [each for group in goal.groups for each in group]
    return Rotated(
        sealed.file,
        made,
        tuple(each for each in wanted if not each.is_among(sealed.recipients)),
        tuple(each for each in sealed.recipients if not each.is_among(wanted)),
        wish.new_data_key,
    )


def _plain(content: bytes, format: Format, data_key: bytes) -> bytes:
    return decrypted(content, format, data_key, verify_mac=True)


def _goal(sealed: Sealed, metadata: Metadata, wish: Wish, rules: CreationRules) -> _Goal:
    """For whom the file is going to be.  Raises Unrotatable."""
    if wish.to:
        start = _Goal((wish.to,), 0)
    elif wish.add or wish.remove:
        start = _Goal(sealed.groups, metadata.threshold)
    else:
        start = _by_rule(sealed, metadata, wish, rules)
    new = [each for each in wish.add if not each.is_among(r for g in start.groups for r in g)]
    if new and len(start.groups) > 1:
        raise Unrotatable(
            "it has several key groups: say in key_groups of .sops.yaml to which one a recipient "
            "is added, and rotate without --add"
        )
    groups = tuple(
        tuple(each for each in (*group, *new) if not each.is_among(wish.remove))
        for group in start.groups
    )
    if not all(groups):
        raise Unrotatable("nobody, or nobody of one key group, could decrypt it: --add somebody")
    return _Goal(groups, start.threshold, start.contexts)


def _by_rule(sealed: Sealed, metadata: Metadata, wish: Wish, rules: CreationRules) -> _Goal:
    try:
        rule, config = rules.of(sealed.file)
    except InvalidRules as error:
        raise Unrotatable(f"{error}: mend it, or say --to") from error
    if rule is not None:
        return _of_rule(rule)
    if wish.new_data_key:
        return _Goal(sealed.groups, metadata.threshold)
    missing = f"no creation rule of {config} matches it" if config else "there is no .sops.yaml"
    raise Unrotatable(f"{missing}: say for whom it is to be encrypted with --to, --add or --remove")


def _of_rule(rule: CreationRule) -> _Goal:
    groups = tuple(group for group in rule.groups if group)
    return _Goal(groups, rule.threshold if len(groups) > 1 else 0, rule.contexts)


def _is_reached(sealed: Sealed, metadata: Metadata, goal: _Goal) -> bool:
    return (
        len(sealed.groups) == len(goal.groups)
        and metadata.needed == goal.needed
        and all(is_same_group(a, b) for a, b in zip(sealed.groups, goal.groups, strict=True))
    )


async def _data_key(metadata: Metadata, place: str, opening: Opening) -> bytes:
    key = SealedKey.of(metadata, place)
    got = await opening.bring([key], WITHIN)
    if key.id not in got.data_keys:
        raise Unrotatable(got.refusals.get(key.id, "no key opens it"))
    return got.data_keys[key.id]


async def _sealed(
    metadata: Metadata, goal: _Goal, data_key: bytes, wish: Wish, sealer: Sealer
) -> list[list[MasterKey]]:
    """The shares of the data key, group by group; what may stay as it is stays."""
    may_stay = not wish.new_data_key and len(metadata.groups) == len(goal.groups) == 1
    kept = {Recipient.of_key(key): key for group in metadata.groups for key in group}
    try:
        shares = split(data_key, len(goal.groups), goal.threshold, sealer.noise)
    except SopsError as error:
        raise Unrotatable(str(error)) from error
    made: list[list[MasterKey]] = []
    for group, share in zip(goal.groups, shares, strict=True):
        keys = []
        for recipient in group:
            mine = next((kept[each] for each in kept if each.is_same(recipient)), None)
            if mine is not None and may_stay:
                keys.append(mine)
                continue
            wanted = goal.contexts.get(recipient) or (mine.context if mine is not None else {})
            text = _with_context(recipient, wanted)
            made_key = await _sealed_for(recipient, text, share, sealer.opening)
            keys.append(_with_profile(made_key, mine))
        made.append(keys)
    return made


def _with_context(recipient: Recipient, context: Mapping[str, str]) -> str:
    """As sops writes a key of AWS with its encryption context.  Raises Unrotatable."""
    if not context:
        return recipient.name
    text = ",".join(f"{key}:{context[key]}" for key in sorted(context))
    odd = [key for key in context if not key or re.search("[:,|]", key)]
    if odd or any(re.search("[,|]", value) for value in context.values()):
        raise Unrotatable(
            f"the encryption context of '{recipient}' holds a comma or a bar, or a colon in a "
            "name, which cannot be told apart here: use `sops updatekeys`"
        )
    return f"{recipient}|{text}"


def _with_profile(made: MasterKey, mine: MasterKey | None) -> MasterKey:
    """With the AWS profile that the file names for this key."""
    profile = mine.attributes.get("aws_profile") if mine is not None else None
    if not profile:
        return made
    return replace(made, attributes={**made.attributes, "aws_profile": profile})


async def _sealed_for(recipient: Recipient, text: str, share: bytes, opening: Opening) -> MasterKey:
    decryptor = opening.decryptors.get(recipient.kind)
    if decryptor is None:
        raise Unrotatable(f"no plugin seals for '{recipient}' (kind '{recipient.kind}')")
    try:
        return await decryptor.seal(share, text, opening.means.ring, opening.context)
    except KeyUnavailable as error:
        raise Unrotatable(str(error)) from error
    except Failure as failure:
        raise Unrotatable(str(failure)) from failure
    except Exception as bug:  # of a plugin; its text may hold the data key
        raise Unrotatable(f"'{recipient}': unexpected {type(bug).__name__}: a bug") from None


async def _check(
    sealed: Sealed,
    made: bytes,
    goal: _Goal,
    data_key: bytes,
    sealer: Sealer,
    *,
    is_same: bool,
) -> None:
    """Raises Unrotatable unless the new file says and holds what it should."""
    again, metadata = sealed_in(made, sealed.file), metadata_of(made, sealed.format)
    if again is None or metadata is None or not is_same or not _is_reached(again, metadata, goal):
        raise Unrotatable(
            "what was written anew does not decrypt to the same: a bug in Lockstep; the file is "
            "left as it was, use `sops updatekeys`"
        )
    held = {name for _, name in sealer.opening.held}
    openable = sum(any(each.name in held for each in group) for group in again.groups)
    if openable < metadata.needed:
        return  # others hold the keys
    if await _data_key(metadata, again.place, sealer.opening) != data_key:
        raise Unrotatable("the keys at hand do not open what was sealed for them: a bug")
