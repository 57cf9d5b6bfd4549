"""A result for reading: one table, with a column for each engine and for each ratio."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from benchmarks.meter import by_verb, is_engine, of_engine
from benchmarks.peer import OURS
from benchmarks.scrape import EVERYBODY

_SHOWN = 30  # rows of requests; the JSON has all

Row = Mapping[str, float]
"""{name: figure}, of one engine."""


def table_of(result: Mapping[str, Any]) -> Table:
    """The result, and how many times as much each peer needed."""
    size = "{kustomizations} x {objects}".format(**result["workload"])
    machine = result["machine"]
    server = f"{result['server']} API server {machine['kubernetes']}".rstrip()
    title = f"{result['scenario']}, {size}, {server}"
    caption = f"{machine['cpu']}, {machine['cores']} cores, load {machine['load']}"
    peers = result.get("peers", {})
    engines = [result, *peers.values()]
    table = Table("", title=title, caption=caption, show_header=bool(peers))
    for name in (OURS, *peers, *(f"{name} / {OURS}" for name in peers)):
        table.add_column(name, justify="right")
    asked = "requests of the engine" if peers else f"requests of {OURS}"
    for rows, digits in (
        ([_seconds(each) for each in engines], 3),
        ([_used(each) for each in engines], 2),
        ([each["figures"] for each in engines], 2),
        ([_requests(each, asked) for each in engines], 0),
        ([_titles(each) for each in engines], 0),
        ([_bystanders(each) for each in engines], 0),
    ):
        _add(table, rows, digits)
    if not_done := {name: why for name, peer in peers.items() if (why := peer.get("not_done"))}:
        table.caption = f"{caption}\n" + "\n".join(
            f"{name}: not done, {why}" for name, why in not_done.items()
        )
    return table


def _add(table: Table, columns: Sequence[Row], digits: int) -> None:
    names = dict.fromkeys(name for column in columns for name in column)
    for name in names:
        values = [column.get(name) for column in columns]
        texts = ["" if value is None else number(value, digits) for value in values]
        ratios = [_ratio(value, values[0]) for value in values[1:]]
        table.add_row(name, *texts, *ratios)
    table.add_section()


def number(value: float, digits: int) -> str:
    """`1.20`, but `3` of hundredths where nothing follows."""
    return f"{value:.{digits}f}".removesuffix(".00")


def _ratio(value: float | None, ours: float | None) -> str:
    return f"{value / ours:.2f}" if value is not None and ours and ours > 0 else ""


def _seconds(each: Mapping[str, Any]) -> Row:
    return {f"seconds, {name.replace('_', ' ')}": s for name, s in each["seconds"].items()}


def _used(each: Mapping[str, Any]) -> Row:
    rows: dict[str, float] = {}
    for name, used in each["usage"].items():
        rows[f"CPU seconds, {name}"] = used["cpu"]
        rows[f"peak MiB, {name}"] = round(used["peak_bytes"] / 2**20)
    return rows


def _requests(each: Mapping[str, Any], title: str) -> Row:
    own = of_engine(each["requests"])
    rows: dict[str, float] = {title: sum(own.values())}
    rows |= {f"  {verb}": count for verb, count in by_verb(own).items()}
    for method, counts in each.get("counted", {}).items():
        if counts["audit"] != counts["client"]:
            by = "by the API server's metrics" if method == EVERYBODY else "by its own count"
            rows[f"  {method} {by}, less the audit log's"] = counts["client"] - counts["audit"]
    return rows


def _titles(each: Mapping[str, Any]) -> Row:
    return {
        f"  {what}": count for what, count in list(of_engine(each["requests"]).items())[:_SHOWN]
    }


def _bystanders(each: Mapping[str, Any]) -> Row:
    return {
        f"requests of {agent}": sum(counts.values())
        for agent, counts in each["requests"].items()
        if not is_engine(agent)
    }
