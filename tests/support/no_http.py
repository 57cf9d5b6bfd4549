"""The way to services for tests in which nobody should ask one."""

from typing import Any

from engine.cluster.outbound import Answer


class NoHttp:
    """An `Http` that fails the test."""

    async def send(self, method: str, url: str, **_: Any) -> Answer:
        raise AssertionError(f"{method} {url}: nobody should ask a service here")
