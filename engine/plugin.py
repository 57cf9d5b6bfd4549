"""The contract of extensions: what a plugin gives, and what it is given.

A plugin is a `Plugin` value: functions in dicts by key.  Built-in and third-party plugins come
through the same door, the entry-point group `lockstep.plugins`, whose entries name such a value.
"""

import math
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache, partial
from importlib.metadata import entry_points
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypeVar

from engine.cluster import ApiError, Client
from engine.cluster.destination import Destination, Undeliverable, Undelivered
from engine.cluster.outbound import Http
from engine.cluster.scope import Purpose, Scope, ServiceAccount, Token
from engine.cluster.tokens import Asker, Expiring, Tokens
from engine.errors import FeatureGateDisabled
from engine.hooks import Genuine, Hit
from engine.notice import Notification
from engine.objects.ref import Ref
from engine.runtime import Clock, Priority
from engine.settings import Settings
from engine.snapshot import Snapshot

if TYPE_CHECKING:
    from engine.sops.metadata import MasterKey

__all__ = [
    "GROUP",
    "NO_PLUGINS",
    "Check",
    "Context",
    "Decryptor",
    "Destination",
    "Diagnosis",
    "Finding",
    "Identity",
    "KeyRing",
    "KeyUnavailable",
    "Notification",
    "Notifier",
    "Plugin",
    "PluginConflict",
    "Purpose",
    "ReceiverType",
    "Scope",
    "ServiceAccount",
    "Severity",
    "Snapshot",
    "Token",
    "TokenUnavailable",
    "Undeliverable",
    "Undelivered",
    "diagnosis_at",
    "identity_at",
    "load",
    "merge",
    "notifier_at",
    "receiver_at",
    "share_of",
]

GROUP = "lockstep.plugins"
_FRESH = 5.0  # seconds for which what was read is not read again

T = TypeVar("T")
E = TypeVar("E", bound=Expiring)


class Severity(IntEnum):
    """How much a finding matters; the highest decides the exit code of `check`."""

    OK = 0
    WARNING = 1
    ERROR = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found: what, about which object, and what to do.

    fix: a command, or a change.  about: the object, None if it is about none.  evidence: what it
    is concluded from, a line each.  matters: why somebody should care.  It quotes no secret.
    """

    severity: Severity
    what: str
    fix: str = ""
    about: Ref | None = None
    evidence: tuple[str, ...] = ()
    matters: str = ""


class KeyUnavailable(Exception):  # noqa: N818 - says what is wrong, like a Failure
    """A key service or a key of ours does not open a data key: why, and never a value."""


class TokenUnavailable(Exception):  # noqa: N818 - says what is wrong, like a Failure
    """No credential can be had for a cloud: why, and never a value."""


@dataclass(frozen=True, slots=True)
class KeyRing:
    """What decrypts for one object: values of its decryption Secret by key, and its identity."""

    values: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    account: ServiceAccount | None = None
    """None: the engine's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a plugin is given: the cluster through the engine's own client, and the settings."""

    client: Client
    settings: Settings
    version: str
    http: Http
    clock: Clock
    tokens: Tokens
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The process's: where clouds put the pod's own identity."""
    whose: str = "the engine's own identity"
    """Who is asked as where no Secret and no service account is, for messages."""
    asker: Ref | None = None
    """The object for which it is done: for metrics, and for whose share it is."""
    priority: Priority = Priority.INTERVAL
    """How urgent what it is done for is."""
    identities: "Mapping[str, Identity]" = field(default_factory=dict, repr=False)
    _recent: dict[Hashable, tuple[float, Any]] = field(
        init=False, default_factory=dict, repr=False, compare=False
    )
    """{what: (monotonic instant, as it was read)}."""

    async def token(self, provider: str, account: ServiceAccount | None, scope: Scope) -> Token:
        """A credential of `account` (None: the pod's own), good for some minutes at least.

        The account is read again after seconds, so that one that was deleted, or is another in its
        cloud since, gets nothing that was kept.  Raises TokenUnavailable; FeatureGateDisabled if an
        account is named and the gate ObjectLevelWorkloadIdentity is off.
        """
        identity = self.identities.get(provider)
        if identity is None:
            known = ", ".join(sorted(self.identities)) or "none"
            raise TokenUnavailable(f"no identity for provider '{provider}' (there are: {known})")
        marks: tuple[tuple[str, str], ...] = ()
        if account is not None:
            self._check_gate(account)
            account = await self.recent(account, partial(self._read, account))
            marks = tuple(sorted(account.annotations.items()))
        key = (provider, account, marks, scope.key)
        operation = scope.purpose.operation(provider)
        return await self.kept(key, operation, partial(identity, account, scope, self))

    def refused(self, token: Token) -> None:
        """Say that a token was refused where it is good for: the next one is another."""
        self.tokens.drop(token)

    async def kept(self, key: Hashable, operation: str, fetch: Callable[[], Awaitable[E]]) -> E:
        """What `fetch` gives, or gave before for this key, until 80 % of its time have passed.

        key: all that decides who may have it.  operation: Flux's word, for metrics.
        """
        asker = Asker(self.asker, operation) if self.asker is not None else None
        return await self.tokens.get(key, fetch, asker)

    async def recent(self, what: Hashable, read: Callable[[], Awaitable[T]]) -> T:
        """What `read` gives, or gave within the last seconds: a build asks a thousand times.

        What is read tells who may do what, so it is not kept for longer.
        """
        read_at, known = self._recent.get(what, (-math.inf, None))
        if self.clock.monotonic() - read_at >= _FRESH:
            known = await read()
            self._recent[what] = self.clock.monotonic(), known
        return known  # type: ignore[no-any-return] # a key stands for one type

    def _check_gate(self, account: ServiceAccount) -> None:
        if not self.settings.object_level_workload_identity:
            raise FeatureGateDisabled(
                f"to use the service account '{account.namespace}/{account.name}' with a cloud "
                "provider, the feature gate ObjectLevelWorkloadIdentity must be enabled: set "
                "--object-level-workload-identity, or leave the service account out"
            )

    async def _read(self, account: ServiceAccount) -> ServiceAccount:
        """The account with its annotations."""
        who = f"'{account.namespace}/{account.name}'"
        try:
            resource = await self.client.resource("v1", "ServiceAccount")
            found = await self.client.get(resource, account.namespace, account.name)
        except ApiError as error:
            raise TokenUnavailable(f"failed to get service account {who}: {error}") from error
        if found is None:
            raise TokenUnavailable(
                f"failed to get service account {who}: it does not exist; create it, or correct "
                "serviceAccountName"
            )
        annotations = found["metadata"].get("annotations") or {}
        return ServiceAccount(account.namespace, account.name, annotations)


def share_of(context: Context | None) -> tuple[Priority, str]:
    """How urgent it is, and whose share it takes: what fair limiters want.

    None: of a command, which has no context where it asks nobody.
    """
    if context is None or context.asker is None:
        return Priority.INTERVAL, ""
    return context.priority, context.asker.namespace


Check: TypeAlias = Callable[[Context], Awaitable[Iterable[Finding]]]
"""Looks at the installation; runs at `lockstep check`, under the caller's identity."""

Diagnosis: TypeAlias = Callable[[Snapshot, Context], Awaitable[Iterable[Finding]]]
"""Looks at what the cluster holds; runs at `lockstep doctor`.  A Finding is what is wrong: none of
severity OK."""

Notifier: TypeAlias = Callable[[Notification, Destination, Context], Awaitable[None]]
"""Tells a service of an event, once; others try again, so that it may be told twice.
Raises Undelivered, which shows neither secret nor address; Undeliverable: not to be tried again."""

Identity: TypeAlias = Callable[[ServiceAccount | None, Scope, Context], Awaitable[Token]]
"""A credential of one provider, asked for anew each time; raises TokenUnavailable."""


@dataclass(frozen=True, slots=True)
class Decryptor:
    """One kind of master key."""

    open: "Callable[[MasterKey, KeyRing, Context], Awaitable[bytes]]"
    """The data key.  Raises KeyUnavailable."""
    seal: "Callable[[bytes, str, KeyRing, Context], Awaitable[MasterKey]]"
    """The data key encrypted for a recipient (age1..., fingerprint, ARN, resource id, URL; an ARN
    with `|<key>:<value>,...` for an encryption context).  Raises KeyUnavailable."""
    held: Callable[[KeyRing], frozenset[str]]
    """The recipients that the ring's own keys open: for messages and cache keys."""
    ends: Callable[[KeyRing], Mapping[str, float]] = field(default=lambda ring: {})
    """{recipient: seconds since 1970}: when keys of the ring, public ones too, end, if they do."""

    @classmethod
    def at(cls, place: str) -> Self:
        """The one at `module:name`, loaded when it is first used: cryptography weighs megabytes."""
        loaded: Callable[[], Self] = cache(partial(resolve_name, place))
        return cls(
            open=lambda key, ring, ctx: loaded().open(key, ring, ctx),
            seal=lambda data_key, recipient, ring, ctx: loaded().seal(
                data_key, recipient, ring, ctx
            ),
            held=lambda ring: loaded().held(ring),
            ends=lambda ring: loaded().ends(ring),
        )


ReceiverType: TypeAlias = Callable[[Hit], Genuine]
"""Knows the calls of one kind of sender; raises Refused unless a call is genuine.  Proofs come
before anything in the body is looked at, and are compared in constant time."""


def identity_at(place: str) -> Identity:
    """The one at `module:name`, loaded when it is first used."""
    loaded: Callable[[], Identity] = cache(partial(resolve_name, place))
    return lambda account, scope, ctx: loaded()(account, scope, ctx)


def receiver_at(place: str) -> ReceiverType:
    """The one at `module:name`, loaded when it is first used."""
    loaded: Callable[[], ReceiverType] = cache(partial(resolve_name, place))
    return lambda hit: loaded()(hit)


def notifier_at(place: str) -> Notifier:
    """The one at `module:name`, loaded when it is first used."""
    loaded: Callable[[], Notifier] = cache(partial(resolve_name, place))
    return lambda notification, destination, ctx: loaded()(notification, destination, ctx)


def diagnosis_at(place: str) -> Diagnosis:
    """The one at `module:name`, loaded when it is first used."""
    loaded: Callable[[], Diagnosis] = cache(partial(resolve_name, place))
    return lambda snapshot, context: loaded()(snapshot, context)


@dataclass(frozen=True, slots=True)
class Plugin:
    """What one distribution adds; keys are unique over all plugins."""

    name: str
    checks: Mapping[str, Check] = field(default_factory=dict)
    diagnoses: Mapping[str, Diagnosis] = field(default_factory=dict)
    decryptors: Mapping[str, Decryptor] = field(default_factory=dict)
    """By kind of `MasterKey`: age, pgp, kms, gcp_kms, azure_kv, hc_vault."""
    identities: Mapping[str, Identity] = field(default_factory=dict)
    """By provider: aws, azure, gcp, generic, github."""
    notifiers: Mapping[str, Notifier] = field(default_factory=dict)
    """By `spec.type` of a Provider."""
    receivers: Mapping[str, ReceiverType] = field(default_factory=dict)
    """By `spec.type` of a Receiver."""


NO_PLUGINS = Plugin("none")


class PluginConflict(Exception):  # noqa: N818 - says what is wrong, like a Failure
    """Two plugins claim one key, or an entry point cannot be loaded or is no Plugin."""


def merge(plugins: Iterable[Plugin]) -> Plugin:
    """One Plugin with everything of all.  Raises PluginConflict if a key is claimed twice."""
    given = list(plugins)
    return Plugin(
        "all",
        checks=_united("check", ((each.name, each.checks) for each in given)),
        diagnoses=_united("diagnosis", ((each.name, each.diagnoses) for each in given)),
        decryptors=_united("decryptor", ((each.name, each.decryptors) for each in given)),
        identities=_united("identity", ((each.name, each.identities) for each in given)),
        notifiers=_united("notifier", ((each.name, each.notifiers) for each in given)),
        receivers=_united("receiver", ((each.name, each.receivers) for each in given)),
    )


def _united(family: str, given: Iterable[tuple[str, Mapping[str, T]]]) -> Mapping[str, T]:
    """Everything of one extension point.  given: (plugin's name, what it gives by key)."""
    united: dict[str, T] = {}
    owners: dict[str, str] = {}
    for name, extensions in given:
        for key, extension in extensions.items():
            if key in united:
                raise PluginConflict(
                    f"{family} '{key}' is given by plugin '{owners[key]}' and by '{name}': "
                    "uninstall one of the two"
                )
            united[key], owners[key] = extension, name
    return united


def load() -> Plugin:
    """Everything that the installed distributions give, merged.  Raises PluginConflict."""
    found = []
    for entry in sorted(entry_points(group=GROUP), key=lambda each: each.name):
        try:
            plugin = entry.load()
        except Exception as error:
            raise PluginConflict(
                f"entry point '{entry.name}' ({entry.value}) of group '{GROUP}' cannot be loaded: "
                f"{type(error).__name__}: {error}: repair or uninstall its distribution"
            ) from error
        if not isinstance(plugin, Plugin):
            raise PluginConflict(
                f"entry point '{entry.name}' ({entry.value}) of group '{GROUP}' is a "
                f"{type(plugin).__name__}, not a Plugin"
            )
        found.append(plugin)
    return merge(found)
