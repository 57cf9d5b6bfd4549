"""The only Kubernetes I/O: client, discovery, limiter, watches, leases."""

from engine.cluster.client import Client, connected
from engine.cluster.discovery import UnknownKind
from engine.cluster.errors import (
    AlreadyExists,
    ApiError,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    LeaseLost,
    NotFound,
    Unreachable,
)
from engine.cluster.resource import Resource

__all__ = [
    "AlreadyExists",
    "ApiError",
    "Client",
    "Conflict",
    "Forbidden",
    "Gone",
    "Invalid",
    "LeaseLost",
    "NotFound",
    "Resource",
    "UnknownKind",
    "Unreachable",
    "connected",
]
