"""One job's life on this machine: claim, plan, run, result; its shipment goes on beside it."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from deplite.failpoints import failpoint
from deplite.log import job_id
from deplite.protocol.backoff import Backoff
from deplite.protocol.phases import Reason, ResultStatus
from deplite_agent.artifacts.patience import GIVE_UP_SECONDS
from deplite_agent.artifacts.storage import Storage
from deplite_agent.errors import AwayError, RefusedError
from deplite_agent.jobs.ending import Ending
from deplite_agent.jobs.environment import SecretStore
from deplite_agent.jobs.group import GRACE_SECONDS, kill_leftovers
from deplite_agent.jobs.journal import Journal, State
from deplite_agent.jobs.log import JobLog
from deplite_agent.jobs.masking import Masker
from deplite_agent.jobs.plan import Plan, RejectedError, plan
from deplite_agent.jobs.result import Result, crashed, rejected, stopped
from deplite_agent.jobs.run import Run, remove_leftovers
from deplite_agent.jobs.shipping import Shipment, uid_header
from deplite_agent.transport import Transport
from deplite_agent.workflows.inventory import Inventory

log = logging.getLogger(__name__)

_HURRY_SECONDS = 0.1
"""Between SIGTERM and SIGKILL of the steps when the agent itself is told to end at once."""


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What every job of this agent uses."""

    transport: Transport
    storage: Storage
    """Where artifacts go."""
    inventory: Inventory
    secrets: SecretStore
    slots: asyncio.Semaphore
    """Jobs that may run at once; the others wait unclaimed."""
    grace: float = GRACE_SECONDS
    """Seconds between SIGTERM and SIGKILL of a step that is stopped."""
    storage_seconds: float = GIVE_UP_SECONDS
    """How long artifacts wait for a store that is away while the server answers."""
    monotonic: Callable[[], float] = time.monotonic
    """By which it is known how much of a job's time is left for its artifacts."""


class Job:
    """A job that this process looks after."""

    def __init__(self, journal: Journal, tools: Tools) -> None:
        self.journal = journal
        self._tools = tools
        self._shipment = Shipment(journal, tools.transport)
        self._ending = Ending(journal, tools.transport, tools.storage, tools.storage_seconds)
        self._running: asyncio.Task[Result] | None = None
        self._stop: Result | None = None
        self._began = 0.0
        """When it was first claimed, by the monotonic clock."""
        self.claiming = False
        """Whether the server was asked for it, and has not answered yet."""
        self.ended = asyncio.Event()
        """Set once no step of it runs, or ever will."""

    @property
    def job_id(self) -> str:
        """The id."""
        return self.journal.life.order.job_id

    @property
    def working(self) -> bool:
        """Whether its steps run, or are about to."""
        return self.journal.life.state in (State.CLAIMED, State.STARTING)

    def stop(self, result: Result) -> None:
        """End the job with this result, whatever it does now; of one that has ended only the uploads are stopped."""
        if self.journal.life.result is not None:
            self._ending.stop()
            return
        if self._stop is not None:
            return
        self._stop = result
        if self._running is not None:
            self._running.cancel()

    async def live(self) -> None:
        """Bring the job to its end, from wherever its journal says it is."""
        job_id.set(self.job_id)  # in each line of this task, and of those that it makes
        try:
            if self.journal.life.state is State.STARTING:
                self._settle_crash()
            shipping = await self._run_once()
        finally:
            self.ended.set()
        if shipping is None:
            return
        try:
            await self._ending.run()
            self._shipment.release()
            await shipping
        finally:
            shipping.cancel()
        self.journal.reported()

    async def _run_once(self) -> "asyncio.Task[None] | None":
        """Claim the job and run it, unless it has ended already; return its shipment, None where it is not ours."""
        if self.journal.life.state is State.EXITED:
            self._resume()
            return asyncio.create_task(self._shipment.run())
        async with self._tools.slots:
            self._began = self._tools.monotonic()
            self.claiming = True
            try:
                given = await self._claim()
            finally:
                self.claiming = False
            if not given:
                return None
            shipping = asyncio.create_task(self._shipment.run())
            try:
                await self._perform()
            except BaseException:
                shipping.cancel()
                raise
        return shipping

    async def repeat_claim(self) -> None:
        """Tell the server once more that this process has the job."""
        if self.journal.life.state is not State.ACCEPTED:
            with contextlib.suppress(AwayError, RefusedError):
                await self._send_claim()

    async def _claim(self) -> bool:
        """Ask the server for the job until it answers; False: it is not ours to run."""
        settling = asyncio.create_task(asyncio.to_thread(self.journal.settle))
        try:
            given = await self._ask()
        finally:
            await asyncio.wait([settling])
        if not given:
            self.journal.remove()
            return False
        failpoint("agent.claim.answered")
        try:
            settling.result()
            if self.journal.life.state is State.ACCEPTED:
                self.journal.claimed()
        except OSError as error:  # what is not on the disk must not run: it would not be known after a crash
            self._stop = rejected(f"The agent's disk does not take the job's journal: {error.strerror}.")
        failpoint("agent.claim.journalled")
        log.info("job %s claimed", self.job_id, extra={"action": "claimed"})
        return True

    async def _ask(self) -> bool:
        """Claim the job until the server answers; says whether it gave it to us."""
        backoff = Backoff(first=0.2, most=20.0)
        while True:
            try:
                await self._send_claim()
            except AwayError as error:
                await asyncio.sleep(max(backoff.next(), error.retry_after))
            except RefusedError as error:
                log.info("job %s is not run: %s", self.job_id, error, extra={"action": "claim_refused"})
                return False
            else:
                return True

    async def _send_claim(self) -> None:
        failpoint("agent.claim.sending")
        life = self.journal.life
        await self._tools.transport.call(
            "POST",
            f"/agent/jobs/{self.job_id}/result",
            {"status": ResultStatus.RUNNING.value},
            headers=uid_header(life.order.job_uid),
            instance=life.instance,
        )

    async def _perform(self) -> None:
        """Run the job; when this returns, the journal has its result."""
        try:
            job_log = self._open_log()
        except OSError as error:
            result = self._stop or rejected(f"The agent's disk does not take the job's log: {error.strerror}.")
        else:
            try:
                result = self._stop or await self._result(job_log)
                if result.status == "rejected":
                    job_log.summary(result.message or "Refused by the agent", level="error")
                if not self._ending.owes:
                    job_log.completed(result.status)
            finally:
                if self._ending.owes:
                    self._shipment.hold()
                else:
                    job_log.close()
        failpoint("agent.result.known")
        self.journal.exited(result)
        failpoint("agent.result.journalled")
        log.info("job %s ended: %s", self.job_id, result.status, extra={"action": "ended"})

    async def _result(self, job_log: JobLog) -> Result:
        order = self.journal.life.order
        try:
            planned = await asyncio.to_thread(plan, order, self._tools.inventory, self._tools.secrets)
            job_log.masker.add(*(value.encode("utf-8", "surrogateescape") for value in planned.secrets.values()))
            return self._stop or await self._run(planned, job_log)
        except RejectedError as error:
            return rejected(str(error))
        except Exception as error:
            # A fault of ours; the server must hear of it, or the job would hang until its time is over.
            log.exception("job %s failed by a fault of the agent", self.job_id, extra={"action": "job_failed"})
            return crashed(f"The agent failed while it ran the job ({type(error).__name__}); its own log says more.")

    def _open_log(self) -> JobLog:
        shipment = self._shipment
        return JobLog(
            self.journal.log_path, Masker(), shipment.wake, make_room=self.journal.make_room, least=shipment.next_seq
        )

    async def _run(self, planned: Plan, job_log: JobLog) -> Result:
        run = Run(self.journal.life.order, planned, job_log, self.journal.starting, grace=self._tools.grace)
        self._running = asyncio.create_task(run.run())
        try:
            result = await asyncio.shield(self._running)
            if self._stop is None:
                self._ending.owe(planned, job_log, result, self._tools.monotonic() - self._began)
            return result
        except asyncio.CancelledError:
            if self._stop is not None and self._running.done():
                job_log.summary(self._stop.message or "Stopped", level="warn")
                return self._stop
            # This process ends at once: the steps go first, what the journal says tells the rest. Cancelled again,
            # they are killed without grace.
            while not self._running.done():
                self._running.cancel()
                await asyncio.wait([self._running], timeout=_HURRY_SECONDS)
            raise
        except OSError as error:
            return crashed(f"The agent could not go on: {error.strerror}.")
        finally:
            self._running = None

    def _resume(self) -> None:
        """Go on with the artifacts of an earlier process, if it owed any."""
        if not self._ending.owes:
            return
        try:
            self._ending.resume(self._open_log())
        except OSError as error:
            log.error("no artifacts of %s: %s", self.job_id, error.strerror, extra={"action": "artifact_failed"})
            self._ending.forget()
        else:
            self._shipment.hold()

    def _settle_crash(self) -> None:
        """Write down the end of a job whose agent ended while its steps ran; what is left of them is killed."""
        life = self.journal.life
        killed = [group for group in life.groups if kill_leftovers(group, life.order.job_id)]
        remove_leftovers(life.order)
        log.warning(
            "job %s was running when the agent ended; %d process groups killed",
            self.job_id,
            len(killed),
            extra={"action": "agent_crashed"},
        )
        result = crashed("The agent ended while the job ran; what it did until then is unknown. It was not run again.")
        self._ending.forget()
        self.journal.make_room()
        try:
            job_log = self._open_log()
        except OSError as error:
            log.error("no log of %s: %s", self.job_id, error.strerror, extra={"action": "log_lost"})
        else:
            job_log.summary(result.message or "", level="error")
            job_log.completed(result.status)
            job_log.close()
        self.journal.exited(result)


def stop_result(reason: str) -> Result:
    """Return the end for the reason of a `cancel` event; one that nobody knows is a cancel."""
    reasons = Reason.CANCELLED, Reason.SUPERSEDED, Reason.TIMEOUT, Reason.AGENT_REVOKED
    known = {member.value: member for member in reasons}
    return stopped(known.get(reason, Reason.CANCELLED))
