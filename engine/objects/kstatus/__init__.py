"""How an object is doing, read off its own status: the rules that Flux's health checks follow.

Source: fluxcd/cli-utils v1.2.2 pkg/kstatus, fluxcd/pkg runtime/statusreaders (Jobs).
"""

from engine.objects.kstatus.result import Health, Status
from engine.objects.kstatus.rules import health
from engine.objects.kstatus.workloads import is_lost, with_failed_pods

__all__ = ["Health", "Status", "health", "is_lost", "with_failed_pods"]
