"""The families that are counted up where things happen; the others are in `readings.py`."""

from deplite.metrics.instruments import LONG, Instruments
from deplite.metrics.kube import KubeMetrics
from deplite.protocol.phases import Phase, Reason

OUTCOMES = {True: "done", False: "failed"}


class Metrics(Instruments):
    """Of one replica.

    Attributes:
        kube: is told of requests to the Kubernetes API.
    """

    def __init__(self) -> None:
        super().__init__("apiserver")
        self._requests = self.counter(
            "deplite_http_requests_total",
            "Requests by the route's template (`none`: no route), method and class of the status (`2xx`).",
            *("route", "method", "status"),
        )
        self._seconds = self.histogram(
            "deplite_http_request_duration_seconds",
            "Until the answer began, from when the request's head was read; of a stream, until it was open. Sync runs, "
            "which wait for the job's end, are not in it.",
            *("route", "method"),
        )
        self._refusals = self.counter(
            "deplite_http_refusals_total",
            "Answers with an error, by the code of docs/api.md: refused credentials, limits, signatures and all else. "
            "What the HTTP server itself refuses (bytes that are no request) is not counted.",
            "code",
        )
        self._dispatch = self.histogram(
            "deplite_job_dispatch_seconds",
            "From the moment a replica learned of a job to its agent's claim; it may have waited for its group's turn, "
            "or for an agent that was away.",
            buckets=(*LONG[:2], 0.25, *LONG[2:]),
        )
        self._duration = self.histogram(
            "deplite_job_duration_seconds", "From a job's claim to its end.", "phase", buckets=LONG
        )
        self._ended = self.counter(
            "deplite_jobs_ended_total",
            "Jobs that ended, by phase (`Succeeded`, `Failed`) and reason (`none`: it succeeded; `agent_lost`, …).",
            *("phase", "reason"),
        )
        self._sweeps = self.histogram(
            "deplite_sweep_duration_seconds", "Rounds of the sweeper, by duty and outcome.", *("duty", "outcome")
        )
        self._stored = self.histogram(
            "deplite_object_store_request_duration_seconds",
            "Calls of the object store, by operation and outcome (`done`, `failed`); waiting for a thread is in it, "
            "and calls that were given up are not.",
            *("operation", "outcome"),
        )
        self.kube = KubeMetrics(self)
        self._ended.labels(Phase.SUCCEEDED.value, "none")
        for reason in Reason:
            self._ended.labels(Phase.FAILED.value, reason.value)

    def answered(self, route: str, method: str, status: int, code: str | None, seconds: float | None) -> None:
        """Note that the answer to a request began, after so long; None: that is left out."""
        self._requests.labels(route, method, f"{status // 100}xx").inc()
        if seconds is not None:
            self._seconds.labels(route, method).observe(seconds)
        if code is not None:
            self._refusals.labels(code).inc()

    def claimed(self, seconds: float) -> None:
        """Note that a job was claimed, so long after it was heard of."""
        self._dispatch.observe(seconds)

    def ended(self, phase: Phase, reason: Reason | None, seconds: float | None) -> None:
        """Note that a job ended, so long after its claim, if it was claimed."""
        self._ended.labels(phase.value, "none" if reason is None else reason.value).inc()
        if seconds is not None:
            self._duration.labels(phase.value).observe(seconds)

    def swept(self, duty: str, done: bool, seconds: float) -> None:
        """Note a round of one of the sweeper's duties."""
        self._sweeps.labels(duty, OUTCOMES[done]).observe(seconds)

    def stored(self, operation: str, done: bool, seconds: float) -> None:
        """Note a call of the object store."""
        self._stored.labels(operation, OUTCOMES[done]).observe(seconds)
