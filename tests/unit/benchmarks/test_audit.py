import json
import os
from pathlib import Path

import pytest

from benchmarks.audit import AuditLog


def line(number: int, stage: str = "ResponseComplete") -> str:
    event = {
        "auditID": str(number),
        "stage": stage,
        "verb": "get",
        "requestURI": f"/healthz/{number}",
        "userAgent": "lockstep/1",
        "requestReceivedTimestamp": "2026-01-01T00:00:00Z",
    }
    return json.dumps(event) + "\n"


def test_a_growing_log_is_read_line_by_line_and_half_a_line_waits_for_its_end(
    tmp_path: Path,
) -> None:
    path, counts = tmp_path / "audit.log", []
    log = AuditLog(path)
    whole = line(1) + line(2)
    for end in (0, 10, len(line(1)) + 5, len(whole)):
        path.write_text(whole[:end])
        counts.append(len(log.seen()))
    log.close()

    assert counts == [0, 0, 1, 2]


def test_a_log_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    assert AuditLog(tmp_path / "audit.log").seen() == []


def test_a_watch_that_is_logged_at_its_start_and_its_end_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_text(line(7, "ResponseStarted") + line(7))
    log = AuditLog(path)

    assert [each.what for each in log.seen()] == ["get /healthz/7"]
    log.close()


@pytest.mark.parametrize("rotations", [1, 2, 3])
def test_what_was_logged_around_rotations_is_not_lost(tmp_path: Path, rotations: int) -> None:
    path = tmp_path / "audit.log"
    path.write_text(line(1))
    log = AuditLog(path)
    log.seen()
    for number in range(2, rotations + 2):
        with path.open("a") as file:
            file.write(line(number))
        path = path.rename(tmp_path / f"audit-{9 - number}.log")  # by time, not by name
        os.utime(path, (number, number))
        path = tmp_path / "audit.log"
        path.write_text("")
    path.write_text(line(9))

    numbers = (*range(1, rotations + 2), 9)
    assert [each.what for each in log.seen()] == [f"get /healthz/{n}" for n in numbers]
    log.close()
