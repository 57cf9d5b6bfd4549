"""Carry out the applies of a plan: validate a group, write it, wait for what others build on.

Updates are validated by a dry-run, all of a group, before the first object of the group is
written; creates go directly.  All refusals of a group are reported together.
Source: fluxcd/pkg ssa (ApplyAllStaged); differences: ARCHITECTURE.md.
"""

from collections.abc import Sequence
from functools import partial
from itertools import groupby

from engine.apply.changes import ChangeSet, Done, Outcome, lines_of
from engine.apply.executor import Executor, each
from engine.apply.judge import Verdict, judged
from engine.apply.ready import unready
from engine.apply.refusals import refusals
from engine.apply.write import applied, owned_again, recreated
from engine.errors import ReconciliationFailed
from engine.plan import Action, Change, Plan
from engine.plan.drift import differences, is_owned_alike
from engine.plan.order import Group, rank_of

LEFT_ALONE = (Action.SKIP, Action.UNCHANGED)


async def apply(plan: Plan, executor: Executor) -> ChangeSet:
    """Everything applied, or ReconciliationFailed with each object that was refused.

    The message of the failure ends with the changes that were made before it.
    """
    done: list[Done] = []
    for group, changes in plan.groups():
        written, problems = await _apply_group(changes, plan, executor)
        done += written
        if not problems and group <= Group.CLASSES:
            problems = await unready(written, executor)
        if problems:
            made = lines_of(ChangeSet(tuple(done)).changed())
            raise ReconciliationFailed("\n".join([*problems, *([made] if made else [])]))
    return ChangeSet(tuple(done))


async def _apply_group(
    changes: Sequence[Change], plan: Plan, executor: Executor
) -> tuple[list[Done], list[str]]:
    """What was written of one group, and what was refused."""
    judge = partial(judged, plan=plan, executor=executor)
    pending = [change for change in changes if change.action not in LEFT_ALONE]
    found = await each(pending, judge, executor.in_flight)
    refused = await refusals(zip(pending, found, strict=True), "dry-run", executor, plan.policy)
    if refused:
        return [], list(refused.values())
    done = [left_alone(change) for change in changes if change.action in LEFT_ALONE]
    verdicts = [verdict for verdict in found if isinstance(verdict, Verdict)]
    for _, batch in groupby(verdicts, lambda verdict: rank_of(verdict.change.ref)):
        same_rank = list(batch)
        write = partial(_written, executor=executor)
        results = await each(same_rank, write, executor.in_flight)
        done += [result for result in results if isinstance(result, Done)]
        pairs = zip((verdict.change for verdict in same_rank), results, strict=True)
        refused |= await refusals(pairs, "apply", executor, plan.policy)
    return done, list(refused.values())


def left_alone(change: Change) -> Done:
    """The outcome of a change for which nothing is to be done."""
    outcome = Outcome.SKIPPED if change.action is Action.SKIP else Outcome.UNCHANGED
    return Done(change.ref, change.version, outcome, change.live)


async def _written(verdict: Verdict, executor: Executor) -> Done:
    change, resource, live = verdict.change, verdict.resource, verdict.live
    desired = change.desired
    is_written = verdict.outcome in (Outcome.CREATED, Outcome.CONFIGURED)
    if not is_written or resource is None or desired is None:
        return Done(change.ref, change.version, verdict.outcome, live, verdict.differences)
    if verdict.recreate and live is not None:
        answer = await recreated(change.ref, desired, resource, live, executor)
    else:
        answer = await applied(desired, resource, live, executor)
        answer = await owned_again(desired, resource, answer, executor)
    executor.told(change.ref, answer)
    executor.settle(change.ref, executor.live.note(answer).signature)
    if change.action is not Action.CORRECT or live is None:
        return Done(change.ref, change.version, verdict.outcome, answer, verdict.differences)
    found = tuple(differences(live, answer))
    is_same = not found and is_owned_alike(live, answer, executor.manager)
    outcome = Outcome.UNCHANGED if is_same else Outcome.CONFIGURED
    return Done(change.ref, change.version, outcome, answer, found, change.live or live)
