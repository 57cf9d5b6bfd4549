"""Stage 3: from desired and live to a list of changes.  Pure."""

from engine.plan.plan import Action, Change, Plan, View, make_plan, planning

__all__ = ["Action", "Change", "Plan", "View", "make_plan", "planning"]
