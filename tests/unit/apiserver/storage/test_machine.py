"""The log store against a dictionary: whatever was acknowledged first for a seq is what everybody reads."""

from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from deplite_apiserver.logs.lines import line
from deplite_apiserver.storage.logstore import LogStore
from deplite_apiserver.storage.objects import StorageUnavailableError
from deplite_apiserver.storage.pieces import LogName
from tests.unit.apiserver.settling import settled
from tests.unit.apiserver.storage.bucket import Bucket

NAME = LogName(organization="org-a", storage_key="j-x-0a1b2c3d")
seqs = st.integers(0, 30) | st.sampled_from([2**53, 2**63 - 1])
batches = st.lists(st.tuples(seqs, st.sampled_from("abc")), max_size=8)


class Log(RuleBasedStateMachine):
    """One job's log, its process killed and started anew at will."""

    def __init__(self) -> None:
        super().__init__()
        self.at = datetime(2026, 5, 31, tzinfo=UTC)
        self.bucket = Bucket(self.tick)
        self.store = LogStore(self.bucket, lambda: 0.0)
        self.model: dict[int, str] = {}
        self.stale: list[str] = []

    def tick(self) -> datetime:
        self.at += timedelta(milliseconds=1)
        return self.at

    @rule(batch=batches)
    def a_batch_comes(self, batch: list[tuple[int, str]]) -> None:
        lines = [line(seq=seq, stream="raw", content=content) for seq, content in batch]
        try:
            accepted = settled(self.store.append(NAME, lines)).accepted
        except StorageUnavailableError:  # the parts that it knew were merged and deleted: its client sends again
            accepted = settled(self.store.append(NAME, lines)).accepted
        fresh: dict[int, str] = {}
        for seq, content in batch:
            if seq not in self.model:
                fresh.setdefault(seq, content)
        assert accepted == len(fresh)
        self.model |= fresh

    @rule(batch=batches)
    def a_batch_comes_while_the_store_is_away(self, batch: list[tuple[int, str]]) -> None:
        self.bucket.away = True
        try:
            lines = [line(seq=s, stream="raw", content=c) for s, c in batch]
            accepted = settled(self.store.append(NAME, lines)).accepted
            assert accepted == 0
            assert all(seq in self.model for seq, _ in batch)
        except StorageUnavailableError:
            pass
        finally:
            self.bucket.away = False

    @rule()
    def the_log_is_merged(self) -> None:
        self.stale = settled(self.store.merge(NAME))

    @rule()
    def what_was_merged_is_deleted(self) -> None:
        settled(self.store.discard(self.stale))
        self.stale = []

    @rule()
    def the_process_is_killed(self) -> None:
        self.store = LogStore(self.bucket, lambda: 0.0)

    @rule(start=seqs, limit=st.integers(1, 8))
    def somebody_reads_a_page(self, start: int, limit: int) -> None:
        page = settled(self.store.read(NAME, start, limit))
        expected = sorted((seq, content) for seq, content in self.model.items() if seq >= start)[:limit]
        assert [(one["seq"], one["content"]) for one in page] == expected

    @invariant()
    def a_stranger_reads_all_of_it(self) -> None:
        found = settled(LogStore(self.bucket, lambda: 0.0).read(NAME, 0, 1000))
        assert [(one["seq"], one["content"]) for one in found] == sorted(self.model.items())


TestLog = Log.TestCase
TestLog.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
