"""`make bench`: runs both measurements and prints them beside their floors."""

import argparse
import asyncio
import os
import platform

from bench.floor import bare
from bench.measure import Latency, Rate, latency, rates
from bench.site import running


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--samples", type=int, default=300, help="dispatches to time (default: 300)")
    parser.add_argument("--seconds", type=float, default=8, help="for each rate (default: 8)")
    asyncio.run(_measure(parser.parse_args()))


async def _measure(options: argparse.Namespace) -> None:
    print("Starting everything …", flush=True)
    async with running() as site, bare(site.kubeconfig, site.organization) as client:
        print(f"Timing {options.samples} dispatches …", flush=True)
        timed = await latency(site, client, options.samples)
        print("Counting accepted runs …", flush=True)
        counted = await rates(site, client, options.seconds)
    print("\n".join(["", f"{os.cpu_count()} cores, {platform.machine()}", "", *_latency(timed), "", *_rates(counted)]))


def _latency(timed: Latency) -> list[str]:
    rows = ["| from the request to a running process | floor | ours | ratio |", "|---|---|---|---|"]
    for percent in (50, 99):
        floor, ours = _percentile(timed.floor, percent), _percentile(timed.ours, percent)
        rows.append(f"| p{percent} | {floor * 1000:.1f} ms | {ours * 1000:.1f} ms | {ours / floor:.2f} |")
    return rows


def _rates(counted: list[Rate]) -> list[str]:
    rows = ["| accepted runs a second | raw creates | ours | ratio |", "|---|---|---|---|"]
    rows += [
        f"| {one.callers} callers | {one.floor:.0f} | {one.ours:.0f} | {one.ours / one.floor:.2f} |" for one in counted
    ]
    return rows


def _percentile(ordered: list[float], percent: int) -> float:
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


if __name__ == "__main__":
    main()
