"""The agent's disk is full, or has lost and changed what was on it: results arrive, and nothing false is uploaded."""

import asyncio
import random
import re
from dataclasses import dataclass, replace
from pathlib import Path

from deplite_agent.records import decode_record
from tests.faults.caller import Caller
from tests.faults.disk import on_small_disk
from tests.faults.fleet import Fleet, FleetAgent
from tests.faults.ledger import Counters, Ledger
from tests.faults.site import Site

GAP = re.compile(r"The lines (\d+) to (\d+) are lost")
LINES = 1500


async def test_f16_a_full_disk_costs_declared_lines_and_no_result(
    site: Site, fleet: Fleet, ledger: Ledger, tmp_path: Path
) -> None:
    within = await on_small_disk(tmp_path / "disk", 3 << 20)
    agent = await fleet.add(state=tmp_path / "disk" / "state", within=within)
    caller = await Caller.for_agent(site, agent)
    jobs = await caller.run_many(24, lines=LINES, pause="0", gated=True, code=5)
    await caller.in_flight(ledger, 24)
    ledger.open("print")
    await agent.says("log lines are lost")
    await caller.in_flight(ledger, 24)
    ledger.open("end")
    counted = await caller.settle(ledger, lossy=True)
    missing = [await _missing(caller, job) for job in jobs]
    assert sum(map(bool, missing)) > 0
    assert counted == Counters(lines_lost=sum(map(bool, missing))), "lost are exactly those that a line declares"
    assert agent.process is not None
    assert agent.process.returncode is None
    await caller.until(await caller.run(lines=3), "success")
    await caller.close()
    await agent.close()


async def _missing(caller: Caller, job: str) -> int:
    """Return how many lines of a job's steps are lost, after checking that its log declares all that is."""
    items = await caller.items(job)
    gaps = [(int(found[1]), int(found[2])) for item in items if (found := GAP.search(item["content"]))]
    lost = {seq for first, last in gaps for seq in range(first, last + 1)}
    seqs = {item["seq"] for item in items}
    assert seqs | lost == set(range(max(seqs) + 1))
    missing = LINES - sum(item["stream"] == "raw" for item in items)
    assert missing <= len(lost) <= missing + 2, "beside lines of steps, the gap holds at most two about them"
    return missing


@dataclass(frozen=True)
class _Spool:
    """What a file held before it was damaged: where each record ends, and the record."""

    path: Path
    content: bytes

    def ends(self) -> list[int]:
        return [index + 1 for index, byte in enumerate(self.content) if byte == 10]

    def damage(self, chance: random.Random, spared: int = 0) -> tuple[int, bool]:
        """Cut or change the file somewhere in its last three records; returns where, and whether it was cut."""
        ends = self.ends()
        start = max([0, *ends][-4:][0], ([0, *ends])[min(spared, len(ends))])
        place, cut = chance.randrange(start, len(self.content)), chance.random() < 0.5
        damaged = bytearray(self.content[:place] if cut else self.content)
        if not cut:
            damaged[place] ^= 1 << chance.randrange(8)
        self.path.write_bytes(damaged)
        return place, cut

    def kept(self, place: int, cut: bool) -> dict[int, str]:
        """Return what must have survived, by seq: each record that the damage did not touch."""
        found, start = {}, 0
        for end in self.ends():
            touched = end > place if cut else start - 1 <= place < end  # a changed line end joins two lines
            record = decode_record(self.content[start : end - 1])
            if not touched and record is not None:
                found[int(record["seq"])] = str(record["content"])
            start = end
        return found


async def test_f15_starts_from_damaged_files_and_uploads_no_bad_line(
    site: Site, fleet: Fleet, ledger: Ledger, seed: int
) -> None:
    chance = random.Random(seed)
    agent = await fleet.add()
    caller = await Caller.for_agent(site, agent)
    short = await caller.run_many(12, lines=20, pause="0.01")
    long = await caller.run_many(20, lines=1000, pause="0.1")
    jobs = [*short, *long]
    async with asyncio.timeout(60):
        while not ledger.starts().keys() >= {*jobs}:
            await asyncio.sleep(0.1)
    await agent.proxy.refuse()
    async with asyncio.timeout(60):
        while not (ledger.ends().keys() >= {*short} and all(_spooled(agent, job) for job in long)):
            await asyncio.sleep(0.1)
    await agent.kill()
    kept = {}
    for job in jobs:
        folder = next((agent.state_folder / "jobs").glob(f"{job}-*"))
        spool = _Spool(folder / "log", (folder / "log").read_bytes()) if (folder / "log").exists() else None
        if spool is not None and spool.content:
            kept[job] = spool.kept(*spool.damage(chance))
        journal = _Spool(folder / "journal", (folder / "journal").read_bytes())
        if len(journal.ends()) > 1:  # the first record is spared: without it, the job ends by its time alone
            journal.damage(chance, spared=1)
    assert len(kept) >= 20
    await agent.proxy.accept()
    await agent.start()
    counted = await caller.settle(ledger, may_crash=True, lossy=True)
    assert replace(counted, lines_lost=0) == Counters(), "which lines may be missing is looked at below"
    for job, survived in kept.items():
        shown = {item["seq"]: item for item in await caller.items(job)}
        assert survived.items() <= {seq: item["content"] for seq, item in shown.items()}.items()
        false = [item for item in shown.values() if item["stream"] == "raw" and not _true(item["content"], job)]
        assert false == []
        assert ledger.living(job) == []
    await caller.close()


def _spooled(agent: FleetAgent, job: str) -> bool:
    """Whether the agent has written down lines of a job."""
    return any(log.stat().st_size > 0 for log in (agent.state_folder / "jobs").glob(f"{job}-*/log"))


def _true(content: str, job: str) -> bool:
    return re.fullmatch(rf"line \d+ of {job}\n", content) is not None
