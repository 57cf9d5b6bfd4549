import os
import re
import subprocess
import sys

from benchmarks.process import Memory, Usage, machine, memory, resident, usage, usage_alone

NOBODY = 2**22  # the highest process id that Linux gives, plus one


def test_the_usage_of_this_process_has_cpu_and_memory_and_one_that_ended_has_none() -> None:
    own = usage(os.getpid())

    assert own.cpu > 0
    assert own.peak_bytes > 2**20
    assert usage(NOBODY) == Usage(0.0, 0)
    assert own.since(Usage(own.cpu, 0)) == Usage(0.0, own.peak_bytes)


def test_what_children_hold_and_used_counts_with_their_parent_unless_it_is_asked_alone() -> None:
    program = "sum(range(3_000_000)); held = bytearray(50_000_000); print(1, flush=True); input()"
    before = usage(os.getpid())
    with subprocess.Popen(
        [sys.executable, "-S", "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()

        whole, child_alone = memory(os.getpid()), memory(child.pid)
        used, alone = usage(os.getpid()), usage_alone(os.getpid())

        child.communicate(b"\n")
    assert whole.resident > child_alone.resident > 50_000_000
    assert whole.proportional <= whole.resident
    assert used.cpu > before.cpu
    assert used.peak_bytes > alone.peak_bytes + 50_000_000


def test_memory_of_nobody_is_nothing_and_looking_often_gives_the_same_kind_of_figure() -> None:
    assert memory(NOBODY) == Memory(0, 0)
    assert resident(NOBODY) == 0
    assert resident(os.getpid()) > 2**20


def test_the_machine_is_named_without_paths() -> None:
    found = machine()

    assert found["cores"] >= 1
    assert found["memory_bytes"] > 0
    assert not re.search(r"(^|[\s'\"])/\w", repr(found))
