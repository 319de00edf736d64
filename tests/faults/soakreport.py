"""What a soak has to tell, as a table for docs/reliability.md."""

from pathlib import Path

from tests.faults.killing import IN_FLIGHT
from tests.faults.soak import Soak

_COUNTERS = {
    "lost": "LOST",
    "doubled": "DUP",
    "lines_lost": "LL",
    "lines_doubled": "LD",
    "wrong": "WR",
    "stuck": "STUCK",
}


def report(soak: Soak) -> str:
    """Return the table."""
    plan, killed = soak.plan, soak.killing.done
    pace = f"{soak.ended / soak.seconds:.1f} jobs/s"
    counted = ", ".join(f"{short} = {getattr(soak.counters, name)}" for name, short in _COUNTERS.items())
    lines = sum(int(params["lines"]) for caller in soak.callers for params in caller.acknowledged.values())
    rows = {
        "apiservers": len(soak.site.doors),
        "seed": f"`DEPLITE_SEED={plan.seed}`",
        "jobs acknowledged": soak.acknowledged,
        "of": f"{len(soak.callers)} callers, {plan.workers} runs at a time, {plan.agents} agents",
        "log lines at stake": lines,
        "kill -9": f"{killed.total()} ({_listed(killed)}), each with at least {IN_FLIGHT} jobs in flight",
        "calls repeated by callers": f"{soak.retries.total()} ({_listed(soak.retries)})",
        "acknowledged jobs said not to exist": f"{soak.unknown} times",
        "how jobs ended": _listed(soak.reasons),
        **soak.credentials.report(),
        "counters": f"**{counted}**",
        "time": f"{soak.seconds:.0f} s at work ({pace}), {soak.settled:.0f} s comparing",
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])


def save(table: str, replicas: int, folder: Path = Path("build")) -> Path:
    """Write the table where `make clean` finds it."""
    folder.mkdir(exist_ok=True)
    path = folder / f"soak-{replicas}.md"
    path.write_text(table + "\n")
    return path


def _listed(times: "dict[str, int]") -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(times.items()))
