"""Stage 4: carry out a plan, prune, wait for health."""

from engine.apply.changes import ChangeSet, Done, Outcome
from engine.apply.execute import apply
from engine.apply.executor import Executor
from engine.apply.pruning import prune
from engine.apply.wait import wait_healthy

__all__ = ["ChangeSet", "Done", "Executor", "Outcome", "apply", "prune", "wait_healthy"]
