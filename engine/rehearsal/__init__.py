"""A repository rendered as the engine would, before it is merged: every Kustomization of it."""

from engine.rehearsal.flaws import flaws_of
from engine.rehearsal.rehearsal import Part, Rehearsal, Stage, rehearse

__all__ = ["Part", "Rehearsal", "Stage", "flaws_of", "rehearse"]
