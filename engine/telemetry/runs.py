"""One run as log and traces see it: one trace, and one id on all of its lines."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

from engine.telemetry.scope import about, scoped
from engine.telemetry.traces import root


@contextmanager
def reconciling(
    kind: str, group: str, namespace: str, name: str, trigger: str, mask: Callable[[str], str]
) -> Iterator[None]:
    """A trace of its own, and log lines with the object's keys, while inside.

    trigger: why it runs.  mask: hides what the run has read and must not tell.  Where the run is
    traced, `reconcileID` is the id of the trace; `on_behalf_of` somebody that trace is theirs.
    """
    keys = about(kind, group, namespace, name)["keys"]
    with root(
        f"reconcile {kind}",
        group=group,
        kind=kind,
        namespace=namespace,
        name=name,
        trigger=trigger,
    ) as span:
        context = span.get_span_context()
        number = context.trace_id if context.is_valid else uuid4().int
        with scoped({**keys, "reconcileID": f"{number:032x}"}, mask):
            yield
