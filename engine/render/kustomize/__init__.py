"""A native `kustomize build`: a folder of a tree in, resources out."""

from engine.render.kustomize.build import Built, Options, build
from engine.render.kustomize.errors import KustomizeError, Lacking, Needs
from engine.render.kustomize.loader import Reach
from engine.render.kustomize.model.resource import Position, Resource

__all__ = [
    "Built",
    "KustomizeError",
    "Lacking",
    "Needs",
    "Options",
    "Position",
    "Reach",
    "Resource",
    "build",
]
