"""Values that Kubernetes gives to absent fields of pods and of what makes them.

In: an object as a dict of the caller's own, which is filled in.
Source: kubernetes pkg/apis/{core,apps,batch}/v1/defaults.go.
"""

from collections.abc import Callable, Mapping

from engine.apiserver.defaults.pods import Fields, containers, fill, fill_pod, fill_requests


def spec_of(obj: Fields) -> Fields:
    """The object's spec, made if it is missing."""
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        spec = obj["spec"] = {}
    return spec


def _template(spec: Fields) -> None:
    template = spec.get("template")
    if isinstance(template, dict):
        fill(template, {"metadata": {}})
        if isinstance(template.get("spec"), dict):
            fill_pod(template["spec"])


def _pod(obj: Fields) -> None:
    spec = spec_of(obj)
    fill_pod(spec)
    fill(spec, {"enableServiceLinks": True})
    for container in containers(spec):
        fill_requests(container["resources"])


def _deployment(obj: Fields) -> None:
    spec = spec_of(obj)
    fill(
        spec,
        {"replicas": 1, "strategy": {}, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600},
    )
    fill(spec["strategy"], {"type": "RollingUpdate"})
    if spec["strategy"]["type"] == "RollingUpdate":
        fill(spec["strategy"], {"rollingUpdate": {}})
        fill(spec["strategy"]["rollingUpdate"], {"maxUnavailable": "25%", "maxSurge": "25%"})
    _template(spec)


def _stateful_set(obj: Fields) -> None:
    spec = spec_of(obj)
    keep = {"whenDeleted": "Retain", "whenScaled": "Retain"}
    fill(
        spec,
        {
            "replicas": 1,
            "podManagementPolicy": "OrderedReady",
            "updateStrategy": {},
            "revisionHistoryLimit": 10,
            "persistentVolumeClaimRetentionPolicy": keep,
        },
    )
    fill(spec["persistentVolumeClaimRetentionPolicy"], keep)
    fill(spec["updateStrategy"], {"type": "RollingUpdate"})
    if spec["updateStrategy"]["type"] == "RollingUpdate":
        fill(spec["updateStrategy"], {"rollingUpdate": {}})
        fill(spec["updateStrategy"]["rollingUpdate"], {"partition": 0})
    _template(spec)
    for claim in spec.get("volumeClaimTemplates") or ():
        fill(claim, {"apiVersion": "v1", "kind": "PersistentVolumeClaim"})
        fill(spec_of(claim), {"volumeMode": "Filesystem"})
        fill(claim, {"status": {"phase": "Pending"}})


def _daemon_set(obj: Fields) -> None:
    spec = spec_of(obj)
    fill(spec, {"updateStrategy": {}, "revisionHistoryLimit": 10})
    fill(spec["updateStrategy"], {"type": "RollingUpdate"})
    if spec["updateStrategy"]["type"] == "RollingUpdate":
        fill(spec["updateStrategy"], {"rollingUpdate": {}})
        fill(spec["updateStrategy"]["rollingUpdate"], {"maxUnavailable": 1, "maxSurge": 0})
    _template(spec)


def _replica_set(obj: Fields) -> None:
    fill(spec_of(obj), {"replicas": 1})
    _template(obj["spec"])


def _replication_controller(obj: Fields) -> None:
    spec = spec_of(obj)
    fill(spec, {"replicas": 1})
    _template(spec)
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    if labels:
        fill(spec, {"selector": dict(labels)})
        fill(obj["metadata"], {"labels": dict(labels)})


def _job_spec(spec: Fields) -> None:
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = spec["parallelism"] = 1
    fill(
        spec,
        {
            "parallelism": 1,
            "completionMode": "NonIndexed",
            "suspend": False,
            "podReplacementPolicy": "Failed"
            if spec.get("podFailurePolicy")
            else "TerminatingOrFailed",
        },
    )
    fill(spec, {"backoffLimit": 2**31 - 1 if spec.get("backoffLimitPerIndex") else 6})
    _template(spec)


def _job(obj: Fields) -> None:
    _job_spec(spec_of(obj))
    fill(obj["spec"], {"manualSelector": False})


def _cron_job(obj: Fields) -> None:
    spec = spec_of(obj)
    fill(
        spec,
        {
            "concurrencyPolicy": "Allow",
            "suspend": False,
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 1,
        },
    )
    job = spec.get("jobTemplate")
    if isinstance(job, dict):
        fill(job, {"metadata": {}})
        _template(job.get("spec") or {})


WORKLOADS: Mapping[str, Callable[[Fields], None]] = {
    "cronjobs.batch": _cron_job,
    "daemonsets.apps": _daemon_set,
    "deployments.apps": _deployment,
    "jobs.batch": _job,
    "pods": _pod,
    "podtemplates": _template,
    "replicasets.apps": _replica_set,
    "replicationcontrollers": _replication_controller,
    "statefulsets.apps": _stateful_set,
}
"""{key of the resource: what fills in its defaults}"""
