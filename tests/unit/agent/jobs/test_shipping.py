"""Shipping: batches by seq and size, how long it waits, what it never drops and what it does."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from deplite.protocol.backoff import Backoff
from deplite_agent.jobs.journal import Journal
from deplite_agent.jobs.log import JobLog
from deplite_agent.jobs.masking import Masker
from deplite_agent.jobs.result import Result
from deplite_agent.jobs.shipping import MAX_BATCH_BYTES, MAX_BATCH_ITEMS, Shipment
from deplite_agent.records import encode_record
from tests.unit.agent.builders import order, until
from tests.unit.agent.disks import cut, flip, last_lines
from tests.unit.agent.server import Call, Server, answer

DONE = Result(status="success", exit_code=0, output={"url": "x"})


def claimed(jobs: Path) -> Journal:
    journal = Journal.create(jobs, order(), "i1")
    journal.claimed()
    return journal


def ended(jobs: Path, lines: list[str], result: Result = DONE) -> Journal:
    journal = claimed(jobs)
    journal.starting(5)
    write(journal, lines)
    journal.exited(result)
    return journal


def write(journal: Journal, lines: list[str]) -> None:
    spool = JobLog(journal.log_path, Masker(), lambda: None)
    spool.write_raw("s", [line.encode() for line in lines])
    spool.close()


async def ship(journal: Journal, server: Server) -> Shipment:
    shipment = Shipment(journal, server.transport())
    await asyncio.wait_for(shipment.run(), 60)
    return shipment


async def test_everything_arrives_in_order_and_then_the_result(tmp_path: Path) -> None:
    server = Server()
    await ship(ended(tmp_path, ["a\n", "b\n"]), server)
    assert [call.path for call in server.calls] == ["/agent/jobs/j-1/logs", "/agent/jobs/j-1/result"]
    assert server.lines() == ["a\n", "b\n"]
    assert server.ends() == [{"status": "success", "exitCode": 0, "output": {"url": "x"}}]
    assert {call.headers["X-Deplite-Job-Uid"] for call in server.calls} == {"u1234567"}


async def test_it_speaks_for_the_process_that_claimed(tmp_path: Path) -> None:
    server = Server()
    await asyncio.wait_for(Shipment(ended(tmp_path, ["a"]), server.transport("i2")).run(), 60)
    assert {call.headers["X-Deplite-Instance"] for call in server.calls} == {"i1"}


async def test_a_batch_has_a_bounded_number_of_lines(tmp_path: Path) -> None:
    server = Server()
    await ship(ended(tmp_path, ["x"] * (2 * MAX_BATCH_ITEMS + 1)), server)
    assert [len(body["items"]) for body in server.bodies("logs")] == [MAX_BATCH_ITEMS, MAX_BATCH_ITEMS, 1]


async def test_a_batch_has_a_bounded_size_and_one_line_at_least(tmp_path: Path) -> None:
    server = Server()
    await ship(ended(tmp_path, ["x" * 60_000] * 9 + ["\x01" * 65_536, "last"]), server)
    sizes = [len(call.raw) for call in server.calls if call.path.endswith("/logs")]
    assert all(size <= MAX_BATCH_BYTES for size in sizes[:-2])
    assert len(server.lines()) == 11
    assert len(sizes) == 5


async def test_what_was_shipped_is_not_shipped_again_by_the_next_process(tmp_path: Path) -> None:
    server = Server()
    journal = ended(tmp_path, ["a", "b"])
    await ship(journal, server)
    write(journal, ["c"])
    await ship(journal, server)
    assert [[item["seq"] for item in body["items"]] for body in server.bodies("logs")] == [[0, 1], [2]]


async def test_a_lost_answer_sends_the_same_lines_again(tmp_path: Path) -> None:
    server = Server()

    def lose_once(call: Call) -> httpx.Response | None:
        if len(server.calls) == 1:
            server._obey(call)
            raise httpx.ReadError("gone")
        return None

    server.script = lose_once
    await ship(ended(tmp_path, ["a"]), server)
    assert server.bodies("logs")[0] == server.bodies("logs")[1]
    assert server.lines() == ["a"]
    assert server.disputed == []


async def test_the_server_says_how_often_lines_are_wanted(tmp_path: Path) -> None:
    wanted: dict[Any, float] = {1000: 1.0, 60_000: 60.0, 0: 5.0, 60_001: 5.0, "1": 5.0, None: 5.0, True: 5.0}
    for flush, expected in wanted.items():
        jobs = tmp_path / str(flush)
        jobs.mkdir()
        server = Server(script=lambda call, flush=flush: httpx.Response(200, json={"flushMs": flush}))  # type: ignore[misc]
        shipment = await ship(ended(jobs, ["a"]), server)
        assert shipment._flush == expected, flush


async def running(journal: Journal, server: Server, work: Callable[[Shipment], Awaitable[None]]) -> None:
    shipment = Shipment(journal, server.transport())
    task = asyncio.create_task(shipment.run())
    try:
        await work(shipment)
        journal.exited(DONE)
        shipment.wake()
        await asyncio.wait_for(task, 60)
    finally:
        task.cancel()


async def test_lines_go_while_the_job_runs_and_a_full_batch_does_not_wait(tmp_path: Path) -> None:
    server, journal = Server(flush_ms=10), claimed(tmp_path)

    async def work(shipment: Shipment) -> None:
        write(journal, ["first"])
        shipment.wake()
        await until(server.lines)
        shipment._flush = 3600.0
        write(journal, ["x" * 60_000] * 5)
        shipment.wake()
        await until(lambda: len(server.lines()) == 6)

    await running(journal, server, work)
    assert server.ends() == [DONE.body()]


async def test_the_end_does_not_wait_for_the_rest_of_a_batch(tmp_path: Path) -> None:
    server, journal = Server(), claimed(tmp_path)

    async def work(shipment: Shipment) -> None:
        shipment._flush = 3600.0
        write(journal, ["few"])
        shipment.wake()

    await running(journal, server, work)
    assert server.lines() == ["few"]


@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize("what", ["logs", "result"])
async def test_a_job_that_is_gone_is_dropped(tmp_path: Path, status: int, what: str) -> None:
    server = Server()
    server.script = lambda call: answer(status, "job_gone") if call.path.endswith(what) else None
    await ship(ended(tmp_path, ["a"]), server)
    assert len(server.calls) == (1 if what == "logs" else 2)


@pytest.mark.parametrize("status", [404, 410])
async def test_a_proxys_404_is_no_word_of_the_server(tmp_path: Path, status: int) -> None:
    server = Server()
    server.script = lambda _: httpx.Response(status, text="<html>") if len(server.calls) == 1 else None
    await ship(ended(tmp_path, ["a"]), server)
    assert server.ends() == [DONE.body()]
    assert server.lines() == ["a"]


async def test_another_end_is_known_there_already(tmp_path: Path) -> None:
    server = Server()
    server.script = lambda call: answer(409, "result_conflict") if call.path.endswith("result") else None
    await ship(ended(tmp_path, ["a"]), server)
    assert len(server.ends()) == 1


@pytest.mark.parametrize("status", [413, 422])
async def test_an_output_that_is_refused_costs_the_output_and_not_the_result(tmp_path: Path, status: int) -> None:
    server = Server()
    server.script = lambda call: answer(status, "output_too_large") if b'"output"' in call.raw else None
    await ship(ended(tmp_path, []), server)
    assert server.ends() == [DONE.body(), {"status": "success", "exitCode": 0}]
    assert len(server.results) == 1


async def test_lines_that_are_refused_cost_neither_the_others_nor_the_result(tmp_path: Path) -> None:
    server = Server()
    server.script = lambda call: answer(422, "validation_error") if len(server.calls) == 1 else None
    await ship(ended(tmp_path, ["x"] * MAX_BATCH_ITEMS + ["y"]), server)
    assert server.lines() == ["y"]
    assert server.ends() == [DONE.body()]


async def test_the_result_does_not_wait_for_all_of_a_long_log(tmp_path: Path) -> None:
    server = Server()
    shipment = Shipment(ended(tmp_path, ["x"] * (3 * MAX_BATCH_ITEMS)), server.transport(), patience=-1.0)
    await asyncio.wait_for(shipment.run(), 60)
    assert [call.path.rpartition("/")[2] for call in server.calls] == ["logs", "result", "logs", "logs"]
    assert len(server.lines()) == 3 * MAX_BATCH_ITEMS


async def test_of_a_log_that_is_cut_only_lines_about_the_run_are_sent_on(tmp_path: Path) -> None:
    server, journal = Server(), ended(tmp_path, ["x"] * (3 * MAX_BATCH_ITEMS))
    spool = JobLog(journal.log_path, Masker(), lambda: None)
    spool.completed("success")
    spool.close()
    server.script = lambda call: (
        httpx.Response(200, json={"accepted": 3, "dropped": 997}) if len(server.calls) == 1 else None
    )
    shipment = await ship(journal, server)
    assert [len(body["items"]) for body in server.bodies("logs")] == [MAX_BATCH_ITEMS, 1]
    assert server.lines() == ["Workflow completed: success"]
    assert server.ends() == [DONE.body()]
    assert shipment.next_seq == 3 * MAX_BATCH_ITEMS + 1  # no number of a line that was not sent is used again


async def test_the_result_does_not_wait_for_a_log_that_is_not_taken(tmp_path: Path) -> None:
    """After its patience the result goes first, and the log follows when it is taken again."""
    server = Server()

    def logs_away(call: Call) -> httpx.Response | None:
        return answer(503, "storage_unavailable") if call.path.endswith("logs") and not server.results else None

    server.script = logs_away
    shipment = Shipment(ended(tmp_path, ["a"]), server.transport(), patience=0.0)
    await asyncio.wait_for(shipment.run(), 60)
    assert server.ends() == [DONE.body()]
    assert server.lines() == ["a"]
    assert [call.path.rpartition("/")[2] for call in server.calls][-2:] == ["result", "logs"]


def test_f17_the_wait_at_the_plateau_is_ten_seconds_at_least(tmp_path: Path) -> None:
    backoff = Shipment(claimed(tmp_path), Server().transport())._backoff
    waits = [backoff.next() for _ in range(50)]
    assert all(10 <= wait <= 20 for wait in waits[6:])
    assert isinstance(backoff, Backoff)


async def test_repeating_tells_the_result_once_and_a_server_that_is_away_is_no_error(tmp_path: Path) -> None:
    server = Server()
    shipment = Shipment(ended(tmp_path, ["a"]), server.transport())
    await shipment.repeat()
    assert [call.path for call in server.calls] == ["/agent/jobs/j-1/result"]
    server.script = lambda _: answer(503, "unavailable")
    await shipment.repeat()
    assert len(server.calls) == 2


async def test_f15_whatever_the_disk_does_to_a_spool_no_bad_line_is_sent_and_no_number_has_two_contents(
    tmp_path: Path,
) -> None:
    """Six lines, three of them acknowledged, two more seen but not answered; then the disk harms the last three."""
    sound = b"".join(
        encode_record({"seq": seq, "stream": "raw", "stepName": "s", "content": f"line {seq}\n"}) for seq in range(6)
    )
    journal = claimed(tmp_path)
    journal.log_path.write_bytes(sound)
    path = journal.log_path
    third = len(sound) // 2
    for at in last_lines(path):
        for harm in ("cut", "flip"):
            if (at % 2 == 0) is (harm == "flip") and sound[at - 1 : at] != b"\n":
                continue  # each byte is lost or changed, what lies between two lines both
            path.write_bytes(sound)
            server = Server()
            server._keep(
                ("j-1", "u1234567"),
                [{"seq": seq, "stream": "raw", "stepName": "s", "content": f"line {seq}\n"} for seq in range(6)],
            )
            journal.shipped_path.write_bytes(encode_record({"offset": third, "seq": 6}))
            cut(path, at) if harm == "cut" else flip(path, at, at % 8)
            shipment = Shipment(journal, server.transport())
            spool = JobLog(path, Masker(), shipment.wake, least=shipment.next_seq)
            spool.summary("The agent ended")
            spool.close()
            while shipment._pending():
                await shipment._send_logs(shipment._batch())
            assert server.disputed == []
            assert server.lines()[:6] == [f"line {seq}\n" for seq in range(6)]
            assert server.lines()[6:] == ["The agent ended"]


@pytest.mark.parametrize("progress", [{"offset": 10**6, "seq": 2}, {"offset": 3, "seq": 2}, {"offset": "0"}, {}])
async def test_progress_that_does_not_fit_the_spool_begins_anew(tmp_path: Path, progress: dict[str, Any]) -> None:
    server, journal = Server(), ended(tmp_path, ["a", "b"])
    journal.shipped_path.write_bytes(encode_record(progress))
    await ship(journal, server)
    assert server.lines() == ["a", "b"]
