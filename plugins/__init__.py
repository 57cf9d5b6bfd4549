"""The built-in extensions, each listed here once; they come in as those of third parties do."""

from engine.plugin import Plugin
from plugins.checks import definitions, kubernetes, leases, permissions, unreconciled

PLUGIN = Plugin(
    "builtin",
    checks={
        "kubernetes": kubernetes.check,
        "definitions": definitions.check,
        "permissions": permissions.check,
        "leases": leases.check,
        "unreconciled": unreconciled.check,
    },
)
