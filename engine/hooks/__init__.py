"""What a webhook says, whether it is genuine, and which objects it means: pure.

In: headers, body and token of one call.  Never: a request, a clock, a cluster.
Source: flux-behaviour 6.4.
"""

from engine.hooks.filters import FilterError, Filters, filters_of
from engine.hooks.hit import Genuine, Hit, Refused
from engine.hooks.path import PREFIX, path_of

__all__ = [
    "PREFIX",
    "FilterError",
    "Filters",
    "Genuine",
    "Hit",
    "Refused",
    "filters_of",
    "path_of",
]
