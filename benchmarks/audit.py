"""What an API server was asked: the audit log of a real one, notes of the embedded one."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from benchmarks.meter import Seen, agent_of, resource_title, seen_of, selector_name
from engine.apiserver.http import api
from engine.apiserver.http.requests import wanted
from engine.runtime import SystemClock


@dataclass(slots=True)
class AuditLog:
    """A growing audit log, of which every line is read once."""

    path: Path
    _found: dict[str, Seen] = field(default_factory=dict)
    """{audit id: request}: a watch is logged at its start and at its end."""
    _file: BinaryIO | None = None
    _rest: bytes = b""

    def seen(self) -> list[Seen]:
        """The requests so far, in the order of the log."""
        for line in self._new_lines():
            event = json.loads(line)
            self._found.setdefault(event["auditID"], seen_of(event))
        return list(self._found.values())

    def _new_lines(self) -> Iterator[bytes]:
        if self._file is None:
            if not self.path.exists():
                return
            self._file = self.path.open("rb")
        while True:
            following = self._next_of(os.fstat(self._file.fileno()).st_ino)  # before the last look
            *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
            yield from lines
            if following is None:
                return
            self._file.close()
            self._file = following.open("rb")

    def _next_of(self, file: int) -> Path | None:
        """The log after that of an inode, None after the newest: each is renamed at 100 MB."""
        logs = self.path.parent.glob(f"{self.path.stem}*{self.path.suffix}")
        oldest_first = sorted((each.stat().st_mtime_ns, each.stat().st_ino, each) for each in logs)
        inodes = [inode for _, inode, _ in oldest_first]
        rest = oldest_first[inodes.index(file) + 1 :]
        return rest[0][2] if rest else None

    def close(self) -> None:
        """Lets go of the file."""
        if self._file is not None:
            self._file.close()


@dataclass(slots=True)
class CountingApi(api.Api):
    """The embedded API server's, with a note of each request for a resource."""

    noted: list[Seen] = field(default_factory=list)
    clock: SystemClock = field(default_factory=SystemClock)

    def respond(self, request: api.Request) -> api.Answer | api.Observe:
        """As Api."""
        asked = wanted(request.method, request.path, request.query, self.state.resources)
        title = resource_title(asked.resource.plural, asked.resource.group, asked.subresource)
        dry = "dry-run-" if request.query.get("dryRun") else ""
        agent = agent_of(request.headers.get("User-Agent", ""))
        name = asked.name or selector_name(request.query.get("labelSelector", ""))
        self.noted.append(Seen(self.clock.wall(), agent, f"{dry}{asked.verb} {title}", name))
        return api.Api.respond(self, request)

    def seen(self) -> list[Seen]:
        """The requests so far."""
        return list(self.noted)
