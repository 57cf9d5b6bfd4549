"""What a running engine tells about itself: log lines, metrics and traces.

Metric names and log keys are Flux's (flux-behaviour 9.3, 9.4): dashboards and `flux logs` read
them.  Whatever is logged or traced within a run passes through that run's mask (`scope.py`).
"""

from engine.telemetry.logs import LEVELS, TRACE, because, level, logger, set_level, set_up_logging
from engine.telemetry.metrics import Metrics
from engine.telemetry.runs import reconciling
from engine.telemetry.scope import about, clean
from engine.telemetry.traces import (
    Cause,
    Tracing,
    called,
    carried,
    concluded,
    current_cause,
    flush_traces,
    on_behalf_of,
    set_up_tracing,
    span,
    trace_to,
)

__all__ = [
    "LEVELS",
    "TRACE",
    "Cause",
    "Metrics",
    "Tracing",
    "about",
    "because",
    "called",
    "carried",
    "clean",
    "concluded",
    "current_cause",
    "flush_traces",
    "level",
    "logger",
    "on_behalf_of",
    "reconciling",
    "set_level",
    "set_up_logging",
    "set_up_tracing",
    "span",
    "trace_to",
]
