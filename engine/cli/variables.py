"""Variables of the environment that are named like settings."""

import re
from collections.abc import Iterable
from dataclasses import fields
from difflib import get_close_matches

from engine.settings import PREFIX, Settings

_NO_SETTINGS = ("LOCKSTEP_DEBUG",)
# What Kubernetes sets in every pod beside a Service whose name begins with `lockstep`.
_OF_SERVICES = re.compile(
    r"(_[A-Z0-9_]+)?_(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_[A-Z]+(_[A-Z]+)?)?)"
)


def unknown_variables(names: Iterable[str]) -> dict[str, str]:
    """The variables that are named like settings and are none, each with the nearest that is one.

    names: of the environment.  {variable: nearest setting's, "" if none is near}, sorted.
    """
    known = [PREFIX + each.name.upper() for each in fields(Settings)]
    return {
        name: next(iter(get_close_matches(name.upper(), known, n=1, cutoff=0.8)), "")
        for name in sorted(names)
        if name.startswith(PREFIX)
        and name not in (*known, *_NO_SETTINGS)
        and not _OF_SERVICES.fullmatch(name.removeprefix(PREFIX[:-1]))
    }
