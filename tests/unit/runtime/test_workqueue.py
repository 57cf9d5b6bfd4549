import pytest

from engine.runtime.workqueue import Queue


def popped(queue: Queue[str], now: float) -> list[str]:
    """All that is due, in order."""
    keys = []
    while item := queue.pop(now):
        keys.append(item.key)
    return keys


def test_urgent_keys_go_first_and_equal_ones_in_the_order_they_fell_due() -> None:
    queue: Queue[str] = Queue()
    queue.push("late", 3, 1, "")
    queue.push("calm", 1, 2, "")
    queue.push("early", 2, 1, "")
    queue.push("urgent", 3, 0, "")

    assert popped(queue, 3) == ["urgent", "early", "late", "calm"]


def test_a_key_that_is_woken_again_and_again_before_its_interval_leaves_nothing_behind() -> None:
    queue: Queue[str] = Queue()
    for second in range(10_000):
        queue.push("a", second + 86_400, 3, "interval")
        queue.push("a", second, 1, "drift")
        assert queue.pop(second) is not None
        queue.done("a")

    assert len(queue._later) + len(queue._lines) < 500


def test_a_key_is_not_given_out_before_its_time() -> None:
    queue: Queue[str] = Queue()
    queue.push("a", 5, 0, "")

    assert queue.pop(4.9) is None
    assert queue.next_at(4.9) == 5
    assert popped(queue, 5) == ["a"]


def test_pushes_of_one_key_are_merged_to_the_earliest_time_and_the_greatest_urgency() -> None:
    queue: Queue[str] = Queue()
    queue.push("a", 600, 3, "interval")
    queue.push("a", 1, 4, "revision")
    queue.push("a", 9, 1, "webhook")
    queue.push("a", 9, 1, "interval")

    item = queue.pop(1)
    assert item is not None
    assert (item.at, item.priority, item.reasons) == (1, 1, ("interval", "revision", "webhook"))
    assert queue.pop(1000) is None


def test_a_key_that_became_more_urgent_overtakes_those_already_due() -> None:
    queue: Queue[str] = Queue()
    for key in "abc":
        queue.push(key, 0, 3, "")
    first = queue.pop(0)
    queue.push("c", 0, 1, "manual")

    assert first is not None
    assert [first.key, *popped(queue, 0)] == ["a", "c", "b"]


def test_a_key_pushed_while_it_runs_is_run_again_only_after_it_is_done() -> None:
    queue: Queue[str] = Queue()
    queue.push("a", 0, 0, "first")
    queue.pop(0)
    queue.push("a", 0, 2, "second")
    queue.push("a", 5, 1, "third")

    assert queue.pop(10) is None
    assert queue.next_at(10) is None
    queue.done("a")
    again = queue.pop(0)
    assert again is not None
    assert (again.at, again.priority, again.reasons) == (0, 1, ("second", "third"))


def test_done_without_a_run_is_an_error() -> None:
    with pytest.raises(KeyError):
        Queue[str]().done("a")


def test_a_removed_key_is_not_run_and_its_run_is_not_repeated() -> None:
    queue: Queue[str] = Queue()
    for key in "ab":
        queue.push(key, 0, 0, "")
    queue.pop(0)
    queue.push("a", 0, 0, "")
    queue.remove("a")
    queue.remove("b")
    queue.done("a")

    assert queue.pop(10) is None
    assert queue.next_at(10) is None


def test_statistics_count_what_is_held() -> None:
    queue: Queue[str] = Queue()
    for key in "abc":
        queue.push(key, 0, 0, "")
    queue.pop(0)
    queue.push("a", 0, 0, "")

    assert repr(queue) == ("<Queue Statistics(queued=2, running=1, again=1, pushed=4, popped=1)>")


def of_namespaces() -> Queue[str]:
    """Keys are `namespace/name`."""
    return Queue(lambda key: key.partition("/")[0])


def test_tenants_take_turns_however_many_keys_one_has() -> None:
    queue = of_namespaces()
    for number in range(1000):
        queue.push(f"noisy/{number}", 0, 3, "")
    for number in range(3):
        queue.push(f"calm/{number}", 1, 3, "")

    order = []
    for _ in range(6):
        item = queue.pop(1)
        assert item is not None
        order.append(item.key)
        queue.done(item.key)

    assert order == ["noisy/0", "calm/0", "noisy/1", "calm/1", "noisy/2", "calm/2"]


def test_a_tenant_that_holds_many_places_is_passed_over_until_others_hold_as_many() -> None:
    queue = of_namespaces()
    for number in range(9):
        queue.push(f"noisy/{number}", 0, 3, "")
    for _ in range(4):
        queue.pop(0, 8)
    for number in range(9):
        queue.push(f"calm/{number}", 0, 3, "")

    assert [item.key.partition("/")[0] for _ in range(4) if (item := queue.pop(0, 8))] == (
        ["calm"] * 4
    )


def test_a_manual_request_finds_a_place_where_another_tenant_holds_all() -> None:
    queue = of_namespaces()
    for number in range(10):
        queue.push(f"noisy/{number}", 0, 1, "a manual request")
    for _ in range(9):
        queue.pop(0, 8)
    assert queue.pop(0, 8) is None
    queue.push("calm/app", 0, 1, "a manual request")

    item = queue.pop(0, 8)
    assert item is not None
    assert item.key == "calm/app"
    assert queue.pop(0, 8) is None


def test_a_manual_request_waits_for_no_correction_of_its_own_tenant() -> None:
    queue = of_namespaces()
    for number in range(4):
        queue.push(f"one/{number}", 0, 2, "drift")
    for _ in range(2):
        queue.pop(0, 2)
    assert queue.pop(0, 2) is None
    queue.push("one/asked", 0, 1, "a manual request")
    queue.push("one/later", 0, 1, "a manual request")

    item = queue.pop(0, 2)
    assert item is not None
    assert item.key == "one/asked"
    assert queue.pop(0, 2) is None  # there is one such place


def test_a_paused_run_gives_its_place_to_others_and_gets_one_back_before_they_begin() -> None:
    queue: Queue[str] = Queue()
    for key in "abc":
        queue.push(key, 0, 3, "")
    first = queue.pop(0, 1)
    assert first is not None
    assert queue.pop(0, 1) is None
    queue.pause("a")
    assert queue.pop(0, 1) is not None
    queue.resume(first)
    assert queue.pop(0, 1) is None
    queue.done("b")

    assert queue.pop(0, 1) is first
    queue.done("a")
    assert [item.key for _ in range(2) if (item := queue.pop(0, 1))] == ["c"]


def test_a_paused_run_that_ends_leaves_the_place_of_others_alone() -> None:
    queue: Queue[str] = Queue()
    queue.push("a", 0, 3, "")
    item = queue.pop(0, 1)
    assert item is not None
    queue.pause("a")
    queue.resume(item)
    queue.done("a")
    for key in "bc":
        queue.push(key, 0, 3, "")

    found = [queue.pop(0, 1) for _ in range(2)]
    assert [item and item.key for item in found] == ["b", None]
