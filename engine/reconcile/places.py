"""Where Git has fields that had drifted or were refused: the build is made again, and explained.

Both are rare, so no build remembers the lines of its fields.  The bounds of a build hold; without
an answer the event has the object's line.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from engine.apply.changes import Done
from engine.objects.ref import Ref
from engine.reconcile.run import Run
from engine.render.explanation import Places
from engine.runtime import Priority
from engine.telemetry import because, logger, span


async def places_in_git(corrected: Iterable[Done], most: int, run: Run) -> Places:
    """`file:line` of fields that differed, `most` of an object; what is not known is missing."""
    wanted = {
        done.ref: tuple(each.path for each in done.differences[:most])
        for done in corrected
        if done.differences
    }
    return await places_of_fields(wanted, run)


async def places_of_fields(fields: Mapping[Ref, Sequence[str]], run: Run) -> Places:
    """`file:line` of fields by object and path; what is not known is missing."""
    if not fields or run.built is None:
        return {}
    wanted = {ref: tuple(paths) for ref, paths in fields.items()}
    try:
        with span("explain", objects=len(wanted)):
            job = replace(run.built, wanted=wanted)
            return await run.engine.builders.places(job, Priority.DRIFT, run.turn.key.namespace)
    except Exception as error:  # whatever it is, what was done or refused must be told
        name = type(error).__name__  # its text may hold what a log must not
        logger.debug("%s: no lines of fields", run.turn.key, extra=because(name))
        return {}
