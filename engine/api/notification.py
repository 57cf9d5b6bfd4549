"""Provider and Alert: whom to tell about what; Receiver: who may tell us.

Source: flux-behaviour 6.2-6.4.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, TypeAlias

from msgspec import Meta, field

from engine.api.duration import Interval, Timeout
from engine.api.meta import LocalReference, Model, ObjectMeta, ObjectName, ReconcileStatus, Rule

LongText: TypeAlias = Annotated[str, Meta(max_length=2048)]
_KINDS = [
    "Bucket",
    "GitRepository",
    "Kustomization",
    "HelmRelease",
    "HelmChart",
    "HelmRepository",
    "ImageRepository",
    "ImagePolicy",
    "ImageUpdateAutomation",
    "OCIRepository",
    "ArtifactGenerator",
    "ExternalArtifact",
]
# The definition says what there is: the Flux Operator adds its own kinds to it.
WatchedKind: TypeAlias = Annotated[str, Meta(extra_json_schema={"enum": _KINDS})]
ProviderType: TypeAlias = Literal[
    "slack",
    "discord",
    "msteams",
    "rocket",
    "generic",
    "generic-hmac",
    "github",
    "gitlab",
    "gitea",
    "giteapullrequestcomment",
    "bitbucketserver",
    "bitbucket",
    "azuredevops",
    "googlechat",
    "googlepubsub",
    "webex",
    "sentry",
    "azureeventhub",
    "telegram",
    "lark",
    "matrix",
    "opsgenie",
    "alertmanager",
    "grafana",
    "githubdispatch",
    "githubpullrequestcomment",
    "gitlabmergerequestcomment",
    "pagerduty",
    "datadog",
    "nats",
    "zulip",
    "otel",
    "zoom",
    "incident.io",
]
ReceiverType: TypeAlias = Literal[
    "generic",
    "generic-hmac",
    "generic-oidc",
    "github",
    "gitlab",
    "bitbucket",
    "harbor",
    "dockerhub",
    "quay",
    "gcr",
    "nexus",
    "acr",
    "cdevents",
]


class WatchedObject(Model, frozen=True, kw_only=True):
    """Objects of a kind, by name or label."""

    api_version: str = ""
    """API version of the kind; empty means the one this engine serves."""
    kind: WatchedKind
    """Kind of the objects."""
    name: ObjectName
    """Name of the object; `*` means all."""
    namespace: ObjectName = ""
    """Namespace of the objects; empty means the namespace of this one."""
    match_labels: Mapping[str, str] = field(default_factory=dict)
    """Labels that the objects must have."""


class ProviderSpec(Model, frozen=True, kw_only=True):
    """A service that takes messages, and how to reach it."""

    type: ProviderType
    """Which service it is."""
    address: LongText = ""
    """Address of the service; one in the Secret wins."""
    channel: LongText = ""
    """Channel, room, topic or environment to post to."""
    username: LongText = ""
    """Name to post under."""
    timeout: Timeout | None = None
    """Longest time that posting may take; absent means 15 seconds."""
    proxy: Annotated[str, Meta(max_length=2048, pattern="^(http|https)://.*$")] = ""
    """Address of a proxy; `proxySecretRef` is the newer way."""
    proxy_secret_ref: LocalReference | None = None
    """Secret with the address and credentials of a proxy."""
    secret_ref: LocalReference | None = None
    """Secret with address, token, headers or other credentials."""
    cert_secret_ref: LocalReference | None = None
    """Secret with a client certificate or the service's certificate authority."""
    service_account_name: str = ""
    """ServiceAccount whose workload identity logs in."""
    commit_status_expr: str = ""
    """CEL expression that names the commit status; of `event`, `alert` and `provider`."""
    suspend: bool = False
    """Whether to post nothing until further notice."""
    interval: Interval | None = None
    """Accepted and not looked at."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.type == 'github' || self.type == 'gitlab' || self.type == 'gitea' ||"
            " self.type == 'bitbucketserver' || self.type == 'bitbucket' ||"
            " self.type == 'azuredevops' || !has(self.commitStatusExpr)",
            "spec.commitStatusExpr is only supported for the 'github', 'gitlab', 'gitea',"
            " 'bitbucketserver', 'bitbucket', 'azuredevops' provider types",
        ),
    )


class Provider(Model, frozen=True, kw_only=True):
    """A service that is told about events."""

    metadata: ObjectMeta
    spec: ProviderSpec
    """The service."""


class AlertSpec(Model, frozen=True, kw_only=True):
    """Which events of which objects go to which provider."""

    provider_ref: LocalReference
    """The Provider to tell, in the same namespace."""
    event_severity: Annotated[
        Literal["info", "error"], Meta(extra_json_schema={"default": "info"})
    ] = "info"
    """`error` leaves out everything but errors."""
    event_sources: tuple[WatchedObject, ...]
    """Objects whose events are told."""
    inclusion_list: tuple[str, ...] = ()
    """Regular expressions of which a message must match one; none means all pass."""
    exclusion_list: tuple[str, ...] = ()
    """Regular expressions of which a message must match none."""
    event_metadata: Mapping[str, str] = field(default_factory=dict)
    """What to add to the metadata of each event."""
    summary: Annotated[str, Meta(max_length=255)] = ""
    """A short text to add; `eventMetadata.summary` is the newer way."""
    suspend: bool = False
    """Whether to tell nothing until further notice."""


class Alert(Model, frozen=True, kw_only=True):
    """Events that a provider is told about."""

    metadata: ObjectMeta
    spec: AlertSpec
    """Which events."""


class ReceiverResource(WatchedObject, frozen=True, kw_only=True):
    """Objects of a kind, by name or label."""

    filter: str = ""
    """CEL expression of `res`, `req` and `claims` that an object must meet."""


class OIDCVariable(Model, frozen=True, kw_only=True):
    """A value to use in validations."""

    name: str
    """Name of the variable."""
    expression: str
    """CEL expression of `claims`."""


class OIDCValidation(Model, frozen=True, kw_only=True):
    """What a token must say."""

    expression: str
    """CEL expression of `claims` and the variables that must be true."""
    message: str
    """What the caller is told when it is not."""


class OIDCProvider(Model, frozen=True, kw_only=True):
    """An issuer of tokens that are let in."""

    issuer_url: Annotated[str, Meta(pattern="^https?://")] = field(name="issuerURL")
    """Address of the issuer, at which its keys are found."""
    audience: str = "notification-controller"
    """The audience that tokens must be made for."""
    variables: tuple[OIDCVariable, ...] = ()
    """Values to use in the validations."""
    validations: Annotated[tuple[OIDCValidation, ...], Meta(min_length=1)]
    """What a token must say; all must hold."""


class ReceiverSpec(Model, frozen=True, kw_only=True):
    """Which calls to take, and what to reconcile then."""

    type: ReceiverType
    """Who calls, and so how the call is proven to be genuine."""
    interval: Annotated[Interval, Meta(extra_json_schema={"default": "10m"})] = Interval(600)
    """Time between two computations of the webhook's path."""
    events: tuple[str, ...] = ()
    """Kinds of events to act on; none means all."""
    resources: tuple[ReceiverResource, ...]
    """Objects to reconcile."""
    resource_filter: str = ""
    """CEL expression of `res`, `req` and `claims` that each object must meet."""
    secret_ref: LocalReference | None = None
    """Secret with the token that both sides know."""
    oidc_providers: Annotated[
        tuple[OIDCProvider, ...],
        Meta(
            extra_json_schema={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["issuerURL"],
            }
        ),
    ] = ()
    """Issuers of tokens that are let in; for `generic-oidc`."""
    suspend: bool = False
    """Whether to refuse calls until further notice."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.type != 'generic-oidc' || (has(self.oidcProviders) &&"
            " size(self.oidcProviders) > 0)",
            "generic-oidc receivers must define at least one oidcProvider",
        ),
        Rule(
            "self.type == 'generic-oidc' || !has(self.oidcProviders) ||"
            " size(self.oidcProviders) == 0",
            "oidcProviders can only be set when type is generic-oidc",
        ),
        Rule(
            "self.type != 'generic-oidc' || !has(self.secretRef)",
            "secretRef cannot be set when type is generic-oidc",
        ),
        Rule(
            "self.type == 'generic-oidc' || has(self.secretRef)",
            "secretRef is required when type is not generic-oidc",
        ),
    )


class ReceiverStatus(ReconcileStatus, frozen=True, kw_only=True):
    """Where to call."""

    webhook_path: str = ""
    """Path of the webhook: not guessable without the token."""


class Receiver(Model, frozen=True, kw_only=True):
    """A webhook that makes objects reconcile at once."""

    metadata: ObjectMeta
    spec: ReceiverSpec
    """Which calls to take."""
    status: ReceiverStatus = ReceiverStatus(observed_generation=-1)
    """Where to call."""
