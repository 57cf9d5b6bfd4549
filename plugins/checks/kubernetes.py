"""Whether Kubernetes is new enough."""

import re
from collections.abc import Iterable

from engine.plugin import Context, Finding, Severity

OLDEST = (1, 33)
"""As Flux 2.9 requires."""


async def check(context: Context) -> Iterable[Finding]:
    """One finding about the API server's version."""
    told = str((await context.client.document("/version")).get("gitVersion", ""))
    wanted = ".".join(map(str, OLDEST))
    found = re.match(r"v?(\d+)\.(\d+)", told)
    if found is None:
        what = f"Kubernetes says its version is '{told}', which cannot be compared with {wanted}"
        return [Finding(Severity.WARNING, what)]
    if (int(found[1]), int(found[2])) < OLDEST:
        what = f"Kubernetes {told} is older than {wanted}, the oldest that is tested"
        return [Finding(Severity.WARNING, what, "upgrade the cluster")]
    return [Finding(Severity.OK, f"Kubernetes {told} is at least {wanted}")]
