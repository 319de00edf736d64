"""What was measured, as the tables of docs/performance.md."""

from collections.abc import Iterable

from bench.measure import Latency, Rate
from bench.streams import Streams


def latency(name: str, timed: Latency) -> list[str]:
    """Return the table of one series of dispatches."""
    rows = [f"| {name} | floor | ours | ratio |", "|---|---|---|---|"]
    for percent in (50, 99):
        floor, ours = percentile(timed.floor, percent), percentile(timed.ours, percent)
        rows.append(f"| p{percent} | {_ms(floor)} | {_ms(ours)} | {ours / floor:.2f} |")
    return rows


def rates(name: str, counted: Iterable[Rate]) -> list[str]:
    """Return the table of accepted runs a second."""
    rows = [f"| {name} | raw creates | ours | ratio |", "|---|---|---|---|"]
    return rows + [
        f"| {one.callers} callers | {one.floor:.0f} | {one.ours:.0f} | {one.ours / one.floor:.2f} |" for one in counted
    ]


def streams(found: Streams) -> list[str]:
    """Return the tables of open streams and of storms."""
    rows = ["| idle | memory of a stream | CPU of the apiservers |", "|---|---|---|"]
    rows += [
        f"| {one.streams} streams | {one.bytes_each / 1024:.1f} KiB | {one.cores:.2f} cores |" for one in found.idle
    ]
    rows.append(f"| {found.idle[-1].streams} streams, with heartbeats | | {found.beating:.2f} cores |")
    rows += ["", "| storm | streams lost | all open again | half | 99 % | tries in vain |", "|---|---|---|---|---|---|"]
    rows += [
        f"| {one.what} | {one.lost} | {one.seconds:.1f} s | {one.p50:.1f} s | {one.p99:.1f} s | {one.refused} |"
        for one in found.storms
    ]
    rows += [
        "",
        "| deploys | number | floor p50 | ours p50 | ratio | floor worst | ours worst |",
        "|---|---|---|---|---|---|---|",
    ]
    rows += [
        _deploys(name, one) for name, one in [("at rest", found.rest), *((s.what, s.deploys) for s in found.storms)]
    ]
    return rows


def _deploys(name: str, timed: Latency) -> str:
    floor, ours = percentile(timed.floor, 50), percentile(timed.ours, 50)
    worst = f"{_ms(timed.floor[-1])} | {_ms(timed.ours[-1])}"
    return f"| {name} | {len(timed.ours)} | {_ms(floor)} | {_ms(ours)} | {ours / floor:.2f} | {worst} |"


def percentile(ordered: list[float], percent: int) -> float:
    """Return a percentile of sorted values."""
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
