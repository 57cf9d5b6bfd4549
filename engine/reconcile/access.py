"""What an identity may do, as the API server says: asked before the engine's own eyes are trusted.

The engine sees every object, a Kustomization is to see what its service account may.  Of each kind
and namespace one question is asked (a SelfSubjectAccessReview under the identity), and the answer
kept for a minute: so rights that were revoked show at the next interval although no object needs a
request.  Where the answer is no, rights may still be given by name: those objects are read and
judged one by one under the identity, by its own requests, whether they exist or not.
Source: design section 3, "Tenancy"; flux-behaviour 1.9 (impersonation).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from math import inf

import anyio

from engine.apply.executor import each
from engine.cluster import ApiError, Client, Forbidden, Resource
from engine.objects.ref import Object, Ref
from engine.runtime import Clock
from engine.telemetry import because, logger

LIFE = 60.0  # seconds; Flux would notice at the next interval, which is hardly ever shorter
MOST = 20_000  # answers that are kept; 100 tenants ask some 20 questions each
_AT_ONCE = 4  # questions of one run
_REVIEWS = Resource(
    "authorization.k8s.io",
    "v1",
    "SelfSubjectAccessReview",
    "selfsubjectaccessreviews",
    namespaced=False,
)


def user_of(ks: Object, default: str) -> str:
    """Whom a Kustomization acts as, "" for the engine itself.

    default: service account of those that name none, "" for none.
    """
    account = str((ks.get("spec") or {}).get("serviceAccountName") or default)
    namespace = ks["metadata"].get("namespace", "")
    return f"system:serviceaccount:{namespace}:{account}" if account else ""


def horizon_of(ks: Object, default: str) -> str:
    """The namespace whose objects messages of a Kustomization may name, "" for all.

    Who acts as the engine itself may see everything anyway.   default: see `user_of`.
    """
    return str(ks["metadata"].get("namespace", "")) if user_of(ks, default) else ""


@dataclass(frozen=True, slots=True)
class Question:
    """Whether somebody may do something to objects; no name: to all of a kind and namespace."""

    verb: str
    group: str
    kind: str
    namespace: str
    name: str = ""

    @classmethod
    def of(cls, verb: str, ref: Ref) -> "Question":
        """About all objects of its kind and namespace."""
        return cls(verb, ref.group, ref.kind, ref.namespace)

    @classmethod
    def by_name(cls, verb: str, ref: Ref) -> "Question":
        """About that object alone."""
        return cls(verb, ref.group, ref.kind, ref.namespace, ref.name)


@dataclass(slots=True)
class _Answer:
    """is_allowed: None: it could not be asked."""

    is_allowed: bool | None = None
    asked_at: float = -inf
    lock: anyio.Lock = field(default_factory=anyio.Lock)


class Access:
    """The answers of API servers.  Who acts as the engine itself may do whatever is asked."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # {(API server, user, question): answer}, the one used last is the last
        self._answers: dict[tuple[str, str, Question], _Answer] = {}

    async def may(
        self, client: Client, question: Question, resource: Resource, since: float = -inf
    ) -> bool:
        """Whether the client's identity may; False also where that could not be asked.

        since: monotonic; an older answer does not count.
        """
        return bool(await self._answer(client, question, resource, since))

    async def _answer(
        self, client: Client, question: Question, resource: Resource, since: float = -inf
    ) -> bool | None:
        """The same; None where it could not be asked."""
        endpoint = client.endpoint
        user = f"{endpoint.identity} {client.user}" if endpoint.identity else client.user
        if not user:
            return True
        key = endpoint.host, user, question
        answer = self._answers[key] = self._answers.pop(key, _Answer())
        while len(self._answers) > MOST:
            del self._answers[next(iter(self._answers))]
        async with answer.lock:
            now = self._clock.monotonic()
            if answer.asked_at < max(since, now - LIFE):
                answer.is_allowed = await self._asked(client, question, resource)
                answer.asked_at = now
        return answer.is_allowed

    async def _asked(self, client: Client, question: Question, resource: Resource) -> bool | None:
        attributes = {
            "verb": question.verb,
            "group": resource.group,
            "resource": resource.plural,
            "namespace": question.namespace,
            "name": question.name,
        }
        body = {
            "apiVersion": _REVIEWS.api_version,
            "kind": _REVIEWS.kind,
            "spec": {
                "resourceAttributes": {name: text for name, text in attributes.items() if text}
            },
        }
        try:
            answer = await client.create(_REVIEWS, body, dry_run=True)
        except ApiError as error:
            logger.debug("%s: rights are not known", client.user, extra=because(error))
            return False if isinstance(error, Forbidden) else None
        return bool((answer.get("status") or {}).get("allowed"))

    async def may_change(self, client: Client, ref: Ref, resource: Resource) -> bool:
        """Whether the identity may change that object, by right to its kind or to it alone.

        True where that could not be asked: what somebody wants is deleted by others if it is not.
        """
        for question in (Question.of("patch", ref), Question.by_name("patch", ref)):
            if await self._answer(client, question, resource) is not False:
                return True
        return False

    def is_denied(self, host: str, user: str, ref: Ref) -> bool:
        """Whether `may_change` is known to be False; without asking."""
        known = [
            self._answers.get((host, user, question))
            for question in (Question.of("patch", ref), Question.by_name("patch", ref))
        ]
        return all(each is not None and each.is_allowed is False for each in known)

    async def barred(
        self,
        client: Client,
        verbs: Mapping[Ref, str],
        resources: Mapping[tuple[str, str], Resource],
        since: float = -inf,
    ) -> frozenset[Ref]:
        """Those of the objects of whose whole kind and namespace the identity may not do that.

        verbs: by object.   resources: by group and kind; what is not served is in no answer.
        """
        found = await self._by_kind(client, verbs, resources, since)
        return frozenset(ref for ref, answer in found.items() if not answer)

    async def denied(
        self,
        client: Client,
        refs: Collection[Ref],
        resources: Mapping[tuple[str, str], Resource],
        since: float = -inf,
    ) -> frozenset[Ref]:
        """Those of the objects that the identity may not change: not by kind, and not by name.

        Not those of which that could not be asked.
        """
        found = await self._by_kind(client, dict.fromkeys(refs, "patch"), resources, since)
        asked = {Question.by_name("patch", ref): ref for ref, may in found.items() if may is False}
        answers = await self._answers_to(client, asked, resources, since)
        return frozenset(asked[each] for each, answer in answers.items() if answer is False)

    async def _by_kind(
        self,
        client: Client,
        verbs: Mapping[Ref, str],
        resources: Mapping[tuple[str, str], Resource],
        since: float,
    ) -> dict[Ref, bool | None]:
        """For each object whether the identity may do that to all of its kind and namespace."""
        if not client.user:
            return {}
        asked = {
            ref: Question.of(verb, ref)
            for ref, verb in verbs.items()
            if (ref.group, ref.kind) in resources
        }
        questions = dict.fromkeys(asked.values())
        answers = await self._answers_to(client, questions, resources, since)
        return {ref: answers[question] for ref, question in asked.items()}

    async def _answers_to(
        self,
        client: Client,
        questions: Iterable[Question],
        resources: Mapping[tuple[str, str], Resource],
        since: float,
    ) -> dict[Question, bool | None]:
        async def ask(question: Question) -> bool | None:
            resource = resources[question.group, question.kind]
            return await self._answer(client, question, resource, since)

        asked = list(questions)
        answers = await each(asked, ask, _AT_ONCE)
        # Whatever else went wrong: it could not be asked.
        known = (None if isinstance(answer, Exception) else answer for answer in answers)
        return dict(zip(asked, known, strict=True))

    def __repr__(self) -> str:
        """Counts, for logs and debuggers."""
        return f"<Access {len(self._answers)} answers>"


@dataclass(frozen=True, slots=True)
class Rights:
    """What one Kustomization may do with another one's objects, and may hear of the other.

    host: of the engine's own API server.   default: see `user_of`.
    """

    access: Access
    host: str
    default: str

    def may_take(self, ref: Ref, other: Object, own: Object | None) -> bool:
        """Whether what `other` wants of an object of `own` counts; it does until it is known."""
        user = self.stranger(other, own)
        return not user or not self.access.is_denied(self.host, user, ref)

    def stranger(self, other: Object, own: Object | None) -> str:
        """Whom `other` acts as, "" where its rights are not to be asked for: it acts as `own` does.

        Or as the engine, or in another cluster.
        """
        user = user_of(other, self.default)
        is_elsewhere = bool((other.get("spec") or {}).get("kubeConfig"))
        is_same = own is not None and user == user_of(own, self.default)
        return "" if is_same or is_elsewhere else user

    def horizon(self, own: Object | None) -> str:
        """See `horizon_of`."""
        return "" if own is None else horizon_of(own, self.default)
