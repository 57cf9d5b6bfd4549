"""Writes RESULTS.md and its plots from the results: `python -m benchmarks report`.

The newest result of each scenario, API server and size is shown.  What a scenario is limited by is
written by hand in results/SCENARIO.md, and taken in as it is.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.limits import FLUX, LIMITS, PACE, Limit, figures_of, objects_of
from benchmarks.meter import by_verb, of_engine
from benchmarks.peer import OURS
from benchmarks.plot import log_plot
from benchmarks.run import NO_SERVER, RATE
from benchmarks.scenarios import SCENARIOS

RESULTS = Path(__file__).parent / "results"
_HEAD = """# Results

Written by `python -m benchmarks report` from `results/*.json`; changes by hand go away.
Times depend on the machine and on what else runs there: what counts are ratios within one run, and
numbers of requests.  `python -m benchmarks SCENARIO --peer NAME=COMMAND` measures another engine in
the same run, each on a control plane of its own, one after the other; a bare client, which only
sends, is measured just before each.
"""
_BOUNDS = f"""Bounds of seconds and of CPU hold where a bare client makes {PACE:,.0f} writes
a second, so beside each figure stands what it would be there: in proportion to what a bare client
made just before it was measured.
"""
_DRAWN = {  # {scenario: figures that are drawn against size}
    "cold_start": ("last_ready", "CPU", "requests"),
    "flux_benchmark": ("last_ready", "CPU", "requests"),
    "one_change": (
        "live",
        "last_ready",
        "engine's CPU milliseconds a commit",
        "requests a commit",
        "revision-only status patches a commit",
    ),
    "steady_state": ("engine's requests a minute", "engine's CPU seconds a minute"),
    "restart": ("quiet", "CPU", "requests"),
    "memory": ("peak MB",),
    "failing_neighbours": ("cold_with_failing", "cold_alone", "CPU"),
}

Result = Mapping[str, Any]


def write_report(folder: Path = RESULTS) -> Path:
    """The path of the report, which is beside the folder of the results."""
    report = folder.parent / "RESULTS.md"
    results = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    notes = {path.stem: path.read_text().strip() for path in sorted(folder.glob("*.md"))}
    plots = dict(plots_of(results))
    for stale in folder.glob("*.svg"):
        stale.unlink()
    for name, drawing in plots.items():
        (folder / f"{name}.svg").write_text(drawing)
    report.write_text(text_of(results, notes, folder.name, frozenset(plots)))
    return report


def text_of(
    results: Sequence[Result], notes: Mapping[str, str], folder: str, plots: frozenset[str]
) -> str:
    """The report.  notes: {scenario: Markdown}.   plots: names of those in the folder."""
    parts = [_HEAD, "## What must hold\n", _BOUNDS, _held(results)]
    parts += ["## Flux, measured elsewhere\n", _flux()]
    for scenario, about in SCENARIOS.items():
        shown = newest(each for each in results if each["scenario"] == scenario)
        if not shown:
            continue
        parts += [f"## {scenario}\n", f"{about.summary}\n"]
        parts += [_compared(group) for group in _by_server(shown)]
        parts += [
            f"![{name}]({folder}/{name}.svg)\n"
            for name in sorted(plots)
            if name.partition("-")[0] == scenario
        ]
        if scenario in notes:
            parts.append(f"{notes[scenario]}\n")
        parts += [_profile(each) for each in shown if each.get("profile")]
    return "\n".join([*parts, "## Machines\n", _machines(results)])


def newest(results: Iterable[Result]) -> list[Result]:
    """The last of each API server, size, way of measuring and set of peers, the smallest first."""
    found: dict[tuple[str, int, int, bool, tuple[str, ...]], Result] = {}
    for each in sorted(results, key=lambda each: str(each["at"])):
        workload = each["workload"]
        size = workload["kustomizations"], workload["objects"]
        found[each["server"], *size, each["profiled"], tuple(each.get("peers", ()))] = each
    return [found[key] for key in sorted(found)]


def _by_server(results: Sequence[Result]) -> Iterator[list[Result]]:
    """Those that are comparable, in groups."""
    for server in dict.fromkeys(each["server"] for each in results):
        group = [e for e in results if e["server"] == server and not e["profiled"]]
        if group:
            yield group


def _held(results: Sequence[Result]) -> str:
    titles = ["scenario", "figure", "at most", "because", "measured", "at", "holds"]
    return _table(
        [*titles, f"at {PACE:,.0f} writes a second"],
        [
            [limit.scenario, limit.title, f"{limit.bound:.3g}", limit.why, *_judged(limit, results)]
            for limit in LIMITS
        ],
    )


def _judged(limit: Limit, results: Sequence[Result]) -> list[str]:
    """What was measured, where, whether it holds, and what it would be on a faster machine."""
    found = limit.measured(results)
    if found is None:
        return ["", "", "not measured", ""]
    result, value = found
    where = ", ".join([_size(result), result["at"][:10], *result.get("peers", ())])
    judged = [f"{value:.3f}", where, _holds(value, limit)]
    rate = result["figures"].get(RATE)
    if not limit.timed or not rate:
        return [*judged, ""]
    there = value * rate / PACE
    return [*judged, f"{there:.3f}: {_holds(there, limit)}"]


def _holds(value: float, limit: Limit) -> str:
    return "yes" if value <= limit.bound else "**no**"


def _flux() -> str:
    text = (
        "Flux 2.9's source-controller and kustomize-controller with default settings, on another "
        "two-core machine with nothing else running; 100 Kustomizations of 10 objects, interval "
        "1 m.  For orientation: not measured here, so no ratio follows from it.\n"
    )
    rows = [[each.scenario, each.what, each.flux, each.concurrent] for each in FLUX]
    return f"{text}\n{_table(['scenario', 'what', 'Flux', '--concurrent=20'], rows)}"


def _compared(results: Sequence[Result]) -> str:
    """A column for each size and engine, a row for each figure."""
    titles, columns = [], []
    for each in results:
        titles.append(f"{_size(each)} {OURS}")
        columns.append(shown_figures(each))
        for name, peer in each.get("peers", {}).items():
            titles += [f"{_size(each)} {name}", f"{name} / {OURS}"]
            theirs = shown_figures(peer)
            columns += [theirs, _ratios(theirs, columns[-1])]
    names = dict.fromkeys(name for column in columns for name in column)
    rows = [
        [name, *(f"{c[name]:.3f}".rstrip("0").rstrip(".") if name in c else "" for c in columns)]
        for name in names
    ]
    server = results[0]["server"]
    not_done = "".join(
        f"\n{name} at {_size(each)}: not done, {peer['not_done']}.\n"
        for each in results
        for name, peer in each.get("peers", {}).items()
        if "not_done" in peer
    )
    where = "Without an API server" if server == NO_SERVER else f"On the {server} API server"
    return f"{where}:\n\n{_table(['', *titles], rows)}{not_done}"


def shown_figures(each: Mapping[str, Any]) -> dict[str, float]:
    """What is shown of one engine in one run, by its name in the report."""
    own = of_engine(each["requests"])
    used = {f"CPU seconds, {name}": usage["cpu"] for name, usage in each["usage"].items()}
    peak = each["usage"].get("engine", {}).get("peak_bytes", 0) / 1e6
    return {
        **{f"seconds, {name.replace('_', ' ')}": value for name, value in each["seconds"].items()},
        **used,
        "peak MB, engine": round(peak, 1),
        **each["figures"],
        "requests": sum(own.values()),
        **{f"requests, {verb}": count for verb, count in by_verb(own).items()},
    }


def _ratios(theirs: Mapping[str, float], ours: Mapping[str, float]) -> dict[str, float]:
    return {name: value / ours[name] for name, value in theirs.items() if ours.get(name)}


def plots_of(results: Sequence[Result]) -> Iterator[tuple[str, str]]:
    """(`scenario-server`, SVG) of every scenario that was measured at several sizes."""
    for scenario, figures in _DRAWN.items():
        chosen = newest(each for each in results if each["scenario"] == scenario)
        for group in _by_server(chosen):
            if len({objects_of(each) for each in group}) < 2:
                continue
            server = group[0]["server"]
            title = f"{scenario} on the {server} API server"
            series = _series(group, figures)
            yield f"{scenario}-{server}", log_plot(title, "managed objects", series)


def _series(
    results: Sequence[Result], figures: Sequence[str]
) -> dict[str, list[tuple[float, float]]]:
    """{figure, and behind it the peer if it is one's: (objects, value) each}, ours first."""
    found: dict[str, list[tuple[float, float]]] = {}
    peers = dict.fromkeys(name for each in results for name in each.get("peers", {}))
    for engine in ("", *peers):
        for figure in figures:
            points = {
                float(objects_of(each)): value
                for each in results
                if (its := each.get("peers", {}).get(engine) if engine else each)
                and (value := _drawn(its, figure)) is not None
            }
            found[f"{figure}, {engine}" if engine else figure] = [*points.items()]
    return found


def _drawn(each: Mapping[str, Any], figure: str) -> float | None:
    """A figure of one engine in one run, None if it has none."""
    if "engine" not in each["usage"]:
        return None
    more = {
        "CPU": each["usage"]["engine"]["cpu"],
        "peak MB": each["usage"]["engine"]["peak_bytes"] / 1e6,
        "requests": sum(of_engine(each["requests"]).values()),
    }
    return {**figures_of(each), **more}.get(figure)


def _profile(result: Result) -> str:
    rows = [
        [f"`{row['function']}`", str(row["calls"]), f"{row['own']:.3f}", f"{row['all']:.3f}"]
        for row in result["profile"]
    ]
    title = f"The engine's hottest functions, {_size(result)}, {result['server']}, {result['at']}:"
    return f"{title}\n\n{_table(['function', 'calls', 'seconds itself', 'with all below'], rows)}"


def _machines(results: Sequence[Result]) -> str:
    rows = []
    for each in newest(results):
        machine = each["machine"]
        memory = f"{machine['memory_bytes'] / 2**30:.0f} GiB"
        what = f"{machine['cpu']}, {machine['cores']} cores, {memory}, {machine['system']}"
        software = f"Python {machine['python']}"
        if machine["kubernetes"]:
            software += f", Kubernetes {machine['kubernetes']}"
        rows.append([each["at"], each["scenario"], _size(each), what, software, machine["load"]])
    rows.sort()
    return _table(["at", "scenario", "size", "machine", "software", "load before"], rows)


def _size(result: Result) -> str:
    return "{kustomizations} x {objects}".format(**result["workload"])


def _table(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [titles, ["---"] * len(titles), *rows]
    texts = [[str(cell).replace("|", "\\|") for cell in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in texts)
