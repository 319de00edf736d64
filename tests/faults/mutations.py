"""Named defences of the product, each with the change that takes it away and the quick test that must then fail."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """One defence taken away."""

    defence: str
    file: str
    old: str
    """Occurs once in the file."""
    new: str
    test: str
    """Passes with the defence, fails without."""

    def apply(self, tree: Path) -> None:
        """Take the defence away in a copy of the tree."""
        path = tree / self.file
        text = path.read_text()
        assert text.count(self.old) == 1, f"{self.file} no longer reads as `{self.defence}` expects: name it anew"
        path.write_text(text.replace(self.old, self.new))


MUTATIONS = (
    Mutation(
        defence="the name is the lock",
        file="deplite/resources/identifiers.py",
        old="""    parts = "\\0".join((trigger_id, caller_id, idempotency_key))
    return""",
        new="""    parts = secrets.token_hex(20)
    return""",
        test="tests/kube/jobs/test_run.py::test_equal_keys_at_once_are_one_job",
    ),
    Mutation(
        defence="sent until claimed",
        file="apiserver/deplite_apiserver/dispatch/dispatcher.py",
        old="            self._handle(job, agent, stream)\n        for job, reason in",
        new="            pass\n        for job, reason in",
        test="tests/kube/jobs/test_run.py::test_it_is_sent_on_each_connect_until_claimed",
    ),
    Mutation(
        defence="claim before process",
        file="agent/deplite_agent/jobs/job.py",
        old="            given = await self._ask()\n",
        new="            asking = asyncio.ensure_future(self._ask())\n            given = asking is not None\n",
        test="tests/unit/agent/jobs/test_desk.py::test_nothing_starts_before_the_claim_has_its_2xx",
    ),
    Mutation(
        defence="a journalled job is never executed again",
        file="agent/deplite_agent/jobs/job.py",
        old="            if self.journal.life.state is State.STARTING:\n",
        new="            if False:\n",
        test="tests/unit/agent/jobs/test_desk.py::test_f12_what_was_starting_ends_as_crashed_and_is_not_run_again",
    ),
    Mutation(
        defence="first write of a seq wins",
        file="apiserver/deplite_apiserver/storage/logstore.py",
        old='fresh = [one for one in batch if one["seq"] not in tracked.known]',
        new="fresh = batch",
        test="tests/kube/jobs/test_logs.py"
        "::test_of_a_repeated_seq_the_first_one_written_wins_and_only_new_ones_are_accepted",
    ),
    Mutation(
        defence="compare-and-swap of transitions",
        file="apiserver/deplite_apiserver/jobs/transition.py",
        old="decision.patch, version=version)",
        new="decision.patch, version=None)",
        test="tests/kube/jobs/test_races.py::test_of_twenty_processes_one_claims",
    ),
    Mutation(
        defence="the lost clock runs only while we could hear",
        file="apiserver/deplite_apiserver/dispatch/hearing.py",
        old="if paused or deaf > MAX_DEAF_SECONDS:",
        new="if paused:",
        test="tests/kube/jobs/test_deadlines.py::test_while_the_cluster_is_away_nobody_is_lost_before_a_full_grace",
    ),
    Mutation(
        defence="what is deleted stays deleted",
        file="deplite/kube/cache.py",
        old=" or _uid(body) in self._buried",
        new="",
        test="tests/unit/kube/test_cache.py::test_an_answer_that_comes_after_the_end_of_its_object_brings_nothing_back",
    ),
    Mutation(
        defence="a job that a replica has not heard of is asked for",
        file="apiserver/deplite_apiserver/jobs/lookup.py",
        old="            job = await self._asked(namespace, job_id)\n",
        new="            job = None\n",
        test="tests/unit/apiserver/jobs/test_lookup.py"
        "::test_an_agents_job_that_another_replica_made_a_moment_ago_is_found",
    ),
    Mutation(
        defence="a run that may have been stored keeps its place",
        file="apiserver/deplite_apiserver/jobs/run.py",
        old="if 400 <= error.status < 500:",
        new="if error.status:",
        test="tests/unit/apiserver/jobs/test_unsettled.py"
        "::test_a_run_that_was_stored_without_a_good_answer_keeps_its_place",
    ),
    Mutation(
        defence="a file is completed once",
        file="apiserver/deplite_apiserver/files/completion.py",
        old="_status(context, file, head), version=version",
        new="_status(context, file, head), version=None",
        test="tests/kube/files/test_races.py::test_many_completions_at_once_are_one",
    ),
    Mutation(
        defence="no code comes back with another object of its name",
        file="operator/deplite_operator/policies/minting.py",
        old="    if order.owner_uid and secret.labels",
        new="    if False and secret.labels",
        test="tests/unit/operating/test_minting.py::test_no_code_comes_back",
    ),
    Mutation(
        defence="what leaves for Kubernetes is asked about",
        file="deplite/kube/gate.py",
        old="    if not may_leave():\n        raise NotHeldError\n",
        new="    may_leave()\n",
        test="tests/kube/test_fence.py::test_a_write_whose_turn_comes_after_the_lease_is_not_sent",
    ),
    Mutation(
        defence="what leaves for the store is asked about",
        file="apiserver/deplite_apiserver/storage/connections.py",
        old="        refuse_if_over()\n        yield",
        new="        yield",
        test="tests/kube/test_fence.py::test_a_write_to_the_bucket_whose_turn_comes_after_the_lease_is_not_sent",
    ),
    Mutation(
        defence="cards are fenced",
        file="apiserver/deplite_apiserver/slack/delivery.py",
        old="            with fence(self._left):\n",
        new="            with fence(lambda: self._left() + 1):\n",
        test="tests/kube/slack/test_cards.py::test_nothing_is_posted_or_edited_past_the_lease",
    ),
)


def copy_tree(folder: Path) -> Path:
    """Copy what git knows or would add of the tree into a folder."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder
