"""`make bench`: measures what is asked for, and prints it beside the floor of the same run."""

import argparse
import asyncio
import os
import platform
import signal

from bench import tables
from bench.floor import bare
from bench.measure import latency, rates
from bench.site import running
from bench.streams import streams

PARTS = {"dispatch": (1,), "replicas": (1, 2, 3), "streams": ()}
"""Each with the numbers of replicas for which it takes latency and rates."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--parts", type=_parts, default=list(PARTS), help=f"some of {','.join(PARTS)} (default: all)")
    parser.add_argument("--samples", type=int, default=300, help="dispatches to time (default: 300)")
    parser.add_argument("--seconds", type=float, default=8, help="for each rate (default: 8)")
    parser.add_argument("--streams", type=_sizes, default=[1000, 5000], help="how many (default: 1000,5000)")
    asyncio.run(_measure(parser.parse_args()))


async def _measure(options: argparse.Namespace) -> None:
    this = asyncio.current_task()
    assert this is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)  # which stops what was started
    said: list[str] = []
    for replicas in sorted({number for part in options.parts for number in PARTS[part]}):
        said += ["", *await _installation(replicas, options)]
    if "streams" in options.parts:
        said += ["", *tables.streams(await streams(options.streams))]
    print("\n".join(["", f"{os.cpu_count()} cores, {platform.machine()}", *said]))


async def _installation(replicas: int, options: argparse.Namespace) -> list[str]:
    name = f"{replicas} replica{'s' if replicas > 1 else ''}"
    print(f"Starting {name} …", flush=True)
    async with running(replicas) as site, bare(site.kubeconfig, site.organization) as client:
        print(f"Timing {options.samples} dispatches …", flush=True)
        timed = await latency(site, client, options.samples)
        print("Counting accepted runs …", flush=True)
        counted = await rates(site, client, options.seconds)
    return [
        *tables.latency(f"{name}: from the request to a running process", timed),
        "",
        *tables.rates(f"{name}: accepted runs a second", counted),
    ]


def _parts(text: str) -> list[str]:
    found = text.split(",")
    if unknown := set(found) - set(PARTS):
        raise argparse.ArgumentTypeError(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    return found


def _sizes(text: str) -> list[int]:
    found = [int(one) for one in text.split(",")]
    if found != sorted(set(found)) or found[0] < 1:
        raise argparse.ArgumentTypeError("name numbers from 1 on, the smaller ones first")
    return found


if __name__ == "__main__":
    main()
