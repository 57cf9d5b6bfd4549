"""The settings of the engine: a field is a flag `--a-b` and a variable `LOCKSTEP_A_B`.

Units: durations are float seconds (written `30s`, `1m30s` on the command line), sizes end in
`_bytes`.  Names and defaults are Flux's where Flux has the same setting.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

PREFIX = "LOCKSTEP_"


STRICT: Mapping[str, bool | str] = {
    "default_service_account": "default",
    "no_cross_namespace_refs": True,
    "no_remote_bases": True,
    "no_local_addresses": True,
    "object_level_workload_identity": True,
    "default_kubeconfig_service_account": "default",
    "default_decryption_service_account": "default",
    "insecure_kubeconfig_exec": False,
    "insecure_kubeconfig_tls": False,
}
"""What `--tenancy=strict` sets; a text only where none was given."""


def setting(default: Any, meaning: str, *, kind: str = "") -> Any:
    """A field with its meaning; kind: "duration" or "size" where the type does not say it."""
    return field(default=default, metadata={"meaning": meaning, "kind": kind})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The values that one engine runs with."""

    kubeconfig: str = setting(
        "", "Path of a kubeconfig; empty: KUBECONFIG, then the pod's service account."
    )
    context: str = setting("", "Context of the kubeconfig; empty: its current one.")
    runtime_namespace: str = setting(
        "flux-system", "Namespace of the engine's Leases, as RUNTIME_NAMESPACE in Flux."
    )
    watch_all_namespaces: bool = setting(
        True, "False: reconcile only objects of the runtime namespace."
    )
    watch_label_selector: str = setting(
        "", "Label selector of the objects to reconcile (Flux's manual sharding)."
    )
    watch_configs_label_selector: str = setting(
        "reconcile.fluxcd.io/watch=Enabled",
        "Label selector of the ConfigMaps and Secrets of which a change wakes who has read them; "
        "empty: all of them.",
    )
    disable_config_watchers: bool = setting(
        False, "Watch none of them: a change counts at the next interval (Flux's gate)."
    )
    sources: str = setting(
        "git", "git: fetch GitRepositories; none: another controller serves every source."
    )
    install_crds: bool = setting(False, "Install or update Flux's definitions before starting.")

    storage_path: str = setting(
        "", "Folder of Git objects and artifacts; empty: /data in a cluster, else the cache folder."
    )
    storage_addr: str = setting(":9090", "Address of the artifact server; port 0: a free one.")
    storage_adv_addr: str = setting(
        "", "Host and port that other controllers reach the artifacts at; empty: as served."
    )
    metrics_addr: str = setting(":8080", "Address of /metrics; port 0: a free one.")
    health_addr: str = setting(":9440", "Address of /healthz, /readyz and /loglevel.")
    events_addr: str = setting(
        "",
        "URL that events are posted to, such as Flux's notification-controller, which then serves "
        "the Alerts; empty: this engine does.",
    )
    receiver_addr: str = setting(
        ":9292",
        "Address of the webhooks of Receivers, as Flux's --receiverAddr; port 0: a free one; "
        "empty, or this default while --events-addr is set: Receivers are left to Flux's "
        "notification-controller.",
    )
    events_listen_addr: str = setting(
        ":9091",
        "Address at which other controllers of Flux post their events, unless --events-addr is "
        "set; Flux's is :9090, which here has the artifacts; port 0: a free one, empty: none.",
    )
    rate_limit_interval: float = setting(
        300.0,
        "An event that says the same of the same object is told once in this time, as in Flux.",
        kind="duration",
    )
    notification_queue_bytes: int = setting(
        32 * 2**20,
        "Events for Alerts that wait, in memory and on disk; some 30,000, which is an hour of a "
        "storm. With more the oldest of the longest line are dropped.",
        kind="size",
    )
    artifact_retention_ttl: float = setting(
        60.0, "Old artifacts stay this long, for controllers that still read them.", kind="duration"
    )
    artifact_retention_records: int = setting(2, "Artifacts kept per source beyond that time.")

    concurrent: int = setting(
        8, "Reconciles that work at the same time; waiting for health does not count."
    )
    concurrent_ssa: int = setting(4, "Requests in flight for one Kustomization.")
    concurrent_fetches: int = setting(4, "Git fetches at the same time.")
    ssh_kex_algos: tuple[str, ...] = setting(
        (), "Key exchange algorithms allowed with Git servers over ssh; empty: the library's."
    )
    ssh_hostkey_algos: tuple[str, ...] = setting(
        (), "Host key algorithms allowed with Git servers over ssh; empty: the library's."
    )
    ssh_idle_timeout: float = setting(
        300.0,
        "How long an unused connection to a Git server over ssh stays open, 0: not at all; most "
        "intervals are shorter, and a login costs four round trips and some 10 ms of CPU.",
        kind="duration",
    )
    concurrent_builds: int = setting(
        2,
        "Builds at the same time, each in a process of its own, as each needs a processor; "
        "0: one at a time in the engine's process, without limits.",
    )
    api_concurrency: int = setting(
        32, "Upper bound of requests in flight to one API server; the limiter adapts below it."
    )
    api_concurrency_least: int = setting(
        2, "Lower bound of the same: 2, as one slow answer must not hold up everything else."
    )
    api_watches: int = setting(
        500, "Watches of one API server open at once; one costs some 60 KiB here."
    )
    api_answer_bytes: int = setting(
        512 * 2**20,
        "Longest answer, or event of a watch, that is read from the own API server, unpacked; none "
        "is as long, and what has no end fills the memory.",
        kind="size",
    )
    api_answer_timeout: float = setting(
        600.0,
        "Until then the whole of an answer of the own API server must be there, and a list within "
        "five times that; the list of a big kind may take a minute on a slow line.",
        kind="duration",
    )
    api_list_objects: int = setting(
        2_000_000,
        "Most objects of one list, and of all watches, of the own API server; etcd holds no more.",
    )
    request_timeout: float = setting(
        17.0,
        "Longest that a write to the API server may take, and the longest silence of a read, at "
        "least 1s; with a Lease at most its duration less 2 retry periods less 2s, to which the "
        "default is shortened. A longer one than the default renews the Leases twice as often.",
        kind="duration",
    )
    interval_jitter_percentage: int = setting(5, "Spread of intervals, in percent, below 100.")
    requeue_dependency: float = setting(
        30.0, "Safety net behind the events that wake a dependant.", kind="duration"
    )
    verify_interval: float = setting(
        3600.0,
        "How often a list of a Kustomization's objects is compared with what the watches told, at "
        "its next interval; 0: only if a reconcile is asked for.",
        kind="duration",
    )
    min_retry_delay: float = setting(
        0.75, "First delay after a failed fetch; doubles from there.", kind="duration"
    )
    max_retry_delay: float = setting(900.0, "Longest delay between retries.", kind="duration")
    stage_timeout: float = setting(
        60.0, "How long a group of definitions or classes may take to be ready.", kind="duration"
    )
    http_retry: int = setting(9, "Retries of an artifact download.")
    status_heartbeat: bool = setting(
        False, "Write history and an event at every interval even if nothing changed, as Flux does."
    )

    field_manager: str = setting("kustomize-controller", "Field manager of server-side apply.")
    override_manager: tuple[str, ...] = setting(
        (), "Field managers whose fields are taken over besides kubectl's (repeatable)."
    )
    migrate_api_version: bool = setting(
        False,
        "Before an update, note what anybody wrote in another API version as written in this one "
        "(Flux's gate); without it that is done where the API server would refuse the update.",
    )
    custom_apply_stage_kinds: tuple[str, ...] = setting(
        (), "`group/Kind` applied after classes and before the rest (repeatable)."
    )
    prune_brake: bool = setting(
        True, "Stop a prune that would delete more than 20 objects and half of the inventory."
    )
    additive_cel_dependency_check: bool = setting(
        False, "A dependency with a readyExpr must also be Ready (Flux's gate of this name)."
    )
    strict_substitutions: bool = setting(
        True, "An undefined variable without default fails the build."
    )
    tenancy: str = setting(
        "flux",
        "flux: as the single settings say; strict: lock tenants in, whatever those say: the "
        "service account `default` where none is named, for objects, other clusters and cloud "
        "keys, no references to other namespaces, no remote bases, no local addresses, no programs "
        "and no unverified certificates in kubeconfigs.",
    )
    no_cross_namespace_refs: bool = setting(
        False, "Refuse sources of other namespaces, and expressions about dependencies there."
    )
    no_remote_bases: bool = setting(False, "Refuse kustomize bases from URLs.")
    no_local_addresses: bool = setting(
        False,
        "Refuse Git servers, proxies, bases, other clusters and services that Providers name at "
        "addresses of the engine's machine and its link (loopback, cloud metadata), and its API "
        "server as a Git server; off, as in Flux, since a Git server beside the engine is no "
        "rarity.",
    )
    allowed_local_addresses: tuple[str, ...] = setting(
        (),
        "`host` or `host:port` that may be named all the same, by services of clouds and keys, too "
        "(repeatable); none, as what listens there mostly trusts its own machine.",
    )
    remote_clusters: int = setting(
        200,
        "Connections to other clusters (spec.kubeConfig) open at once; one costs a watch of some "
        "60 KiB for each kind of its objects.",
    )
    remote_answer_bytes: int = setting(
        16 * 2**20,
        "Longest answer, or event of a watch, that is read from another cluster, unpacked: a "
        "tenant may name a server that never ends; etcd takes objects of 1.5 MiB, and a longer "
        "list is read in smaller pages.",
        kind="size",
    )
    remote_answer_timeout: float = setting(
        120.0,
        "Until then the whole of an answer of another cluster must be there, and a list within "
        "five times that; four times Flux's request timeout, as far lines are slow.",
        kind="duration",
    )
    remote_list_objects: int = setting(
        100_000,
        "Most objects of one list, and of all watches, of one other cluster; one costs up to 1 KiB "
        "here.",
    )
    insecure_kubeconfig_exec: bool = setting(
        False,
        "Run programs that a kubeconfig of spec.kubeConfig names, in the engine's pod: off, as "
        "whoever may write such a Secret could run anything there.",
    )
    insecure_kubeconfig_tls: bool = setting(
        False, "Let a kubeconfig of spec.kubeConfig turn off the verification of certificates."
    )
    default_kubeconfig_service_account: str = setting(
        "",
        "Service account whose tokens enter other clusters where the ConfigMap of "
        "spec.kubeConfig names none; empty: the engine's own.",
    )
    after_partition: str = setting(
        "apply",
        "When another cluster answers again, and others have changed objects there meanwhile: "
        "apply (tell, and overwrite), warn (tell, and overwrite at the next retry) or hold (tell, "
        "and wait for an approval); annotation gitops.lockstep/after-partition.",
    )
    default_service_account: str = setting(
        "", "Service account impersonated where a Kustomization names none."
    )
    impersonation_mark: str = setting(
        "",
        "Value of the user's extra `gitops.lockstep/engine` on requests as a service account of "
        "the own cluster, by which admission policies tell them from the tenant's own; empty: "
        "none, as it needs the right to impersonate `userextras/gitops.lockstep/engine`.",
    )

    object_level_workload_identity: bool = setting(
        False,
        "Objects may name a service account that clouds know as another identity than the "
        "engine's (Flux's gate of this name).",
    )
    default_decryption_service_account: str = setting(
        "", "Service account for cloud keys where spec.decryption names none; needs the gate."
    )
    sops_age_secret: str = setting(
        "",
        "Secret (`name`, in the runtime namespace, or `namespace/name`) with age keys for "
        "Kustomizations whose spec.decryption names no Secret; no other key of it is used.",
    )
    sops_verify_mac: bool = setting(
        True,
        "Refuse an encrypted file that was changed since it was encrypted; Flux does not look.",
    )
    data_key_max_age: float = setting(
        3600.0,
        "How long a data key is used that a key service (KMS, Vault) has opened, before the "
        "service is asked again: so long may a revoked right go unnoticed.",
        kind="duration",
    )
    sops_vault_configmap: str = setting(
        "",
        "`namespace/name` of a ConfigMap with the logins at Vault servers that service accounts "
        "use; empty: only tokens of Secrets are used.",
    )
    sops_vault_addresses: tuple[str, ...] = setting(
        (),
        "Vault servers (`https://host:port`) that encrypted files may name (repeatable); empty: "
        "any but those of this machine and its link, as the token is the tenant's own.",
    )
    azure_vault_suffixes: tuple[str, ...] = setting(
        (),
        "Host suffixes of key vaults besides Azure's own, such as `.vault.local` (repeatable); "
        "the engine's tokens go to no other host that a file names.",
    )
    token_cache_max_size: int = setting(
        100, "Credentials of clouds and Git hosts that are kept, 0: none; one is some 4 KiB."
    )
    token_cache_max_duration: float = setting(
        3600.0,
        "How long such a credential is used at most, as a revoked right counts when it ends.",
        kind="duration",
    )

    enable_leader_election: bool = setting(
        True, "Hold Flux's Leases, so that two engines never write together."
    )
    leader_election_release_on_cancel: bool = setting(True, "Give the Leases back when stopping.")
    leader_election_lease_duration: float = setting(
        35.0,
        "After this time without renewal another engine takes over; it writes one "
        "--request-timeout later, when writes of the former one have ended.",
        kind="duration",
    )
    leader_election_renew_deadline: float = setting(
        30.0, "The holder stops writing if it could not renew for this long.", kind="duration"
    )
    leader_election_retry_period: float = setting(
        5.0, "Time between renewals and between attempts to acquire.", kind="duration"
    )

    log_level: str = setting("info", "trace, debug, info or error; changeable at /loglevel.")
    log_encoding: str = setting("json", "json or console.")
    graceful_shutdown_timeout: float = setting(
        50.0,
        "On SIGTERM, time for work in flight; below Kubernetes' 60 s for Flux's pods.",
        kind="duration",
    )
    otlp_endpoint: str = setting(
        "", "URL of an OTLP/HTTP collector for traces; empty: none are recorded."
    )
    trace_ratio: float = setting(1.0, "Share of reconciles that are traced, 0..1.")
    git_max_pack_bytes: int = setting(
        512 * 2**20, "Largest pack accepted from a Git server.", kind="size"
    )
    git_max_inflated_bytes: int = setting(
        2 * 2**30, "Largest content of a fetch after decompression.", kind="size"
    )
    artifact_max_bytes: int = setting(
        512 * 2**20, "Largest unpacked artifact of another controller.", kind="size"
    )

    build_timeout: float = setting(
        30.0,
        "How long a build may take, 0: any time; one of 1,000 objects takes a second, and one "
        "that hangs takes a process from the others.",
        kind="duration",
    )
    build_memory_bytes: int = setting(
        512 * 2**20,
        "Memory of a process that builds, 0: any; 10,000 Deployments need a quarter of the "
        "default.",
        kind="size",
    )
    build_cache_bytes: int = setting(
        32 * 2**20,
        "Memory of each of them for parsed files and for what bases make, 0: none; holds some "
        "3,000 objects, so that bases are not built for each overlay.",
        kind="size",
    )

    @property
    def serves_receivers(self) -> bool:
        """Whether Receivers are reconciled here, and not by the controller that gets our events."""
        is_default = self.receiver_addr == type(self)().receiver_addr
        return bool(self.receiver_addr) and not (self.events_addr and is_default)

    @property
    def effective(self) -> "Settings":
        """The same with all that `tenancy` sets; an account that was given stays."""
        if self.tenancy != "strict":
            return self
        found: dict[str, Any] = {
            name: getattr(self, name) or value if isinstance(value, str) else value
            for name, value in STRICT.items()
        }
        return replace(self, **found)

    @property
    def jitter(self) -> float:
        """The spread of intervals as a ratio, 0..1."""
        return self.interval_jitter_percentage / 100
