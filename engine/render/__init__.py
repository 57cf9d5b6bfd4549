"""Stage 2: from a tree of files to the objects to apply.  Pure."""

from engine.render.applicable import RenderedObject
from engine.render.decrypt import Keys
from engine.render.decrypt_keys import Decrypting, SealedKey
from engine.render.generate import Request
from engine.render.kustomize import Lacking, Needs
from engine.render.pipeline import Memory, Remotes, Rendered, render

__all__ = [
    "Decrypting",
    "Keys",
    "Lacking",
    "Memory",
    "Needs",
    "Remotes",
    "Rendered",
    "RenderedObject",
    "Request",
    "SealedKey",
    "render",
]
