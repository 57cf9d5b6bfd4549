"""Flux's kinds, typed, and their custom resource definitions."""

from engine.api.decode import Undecodable, decode, encode
from engine.api.kinds import KINDS, Kind

__all__ = ["KINDS", "Kind", "Undecodable", "decode", "encode"]
