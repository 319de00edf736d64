"""What happens: told here when it does. How things are is read at a scrape (`readings.py`)."""

from deplite.metrics.instruments import LONG, Instruments
from deplite.metrics.kube import KubeMetrics
from deplite.protocol.phases import Phase, Reason
from deplite.resources import KINDS

OUTCOMES = {True: "done", False: "failed"}
SOURCES = {"token": "webhook", "user": "person", "slack": "slack", "schedule": "schedule", "kubernetes": "kubernetes"}
"""What a run's requester is called here, by its kind."""
_ASKED = "By who asked: `webhook`, `person`, `slack`, `schedule`."


class Metrics(Instruments):
    """Of one replica.

    Attributes:
        kube: is told of requests to the Kubernetes API.
        watch_failures, streams_opened, streams_moved, events_sent, redis_calls, redis_failures, slack_calls,
        jwks_fetches, jwks_failures: counted up by whom they happen to.
    """

    def __init__(self) -> None:
        super().__init__("apiserver")
        self._make_requests()
        self._make_jobs()
        self._make_stores()
        self.kube = KubeMetrics(self)
        self._make_connections()

    def _make_requests(self) -> None:
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

    def _make_jobs(self) -> None:
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
        self._ended.labels(Phase.SUCCEEDED.value, "none")
        for reason in Reason:
            self._ended.labels(Phase.FAILED.value, reason.value)
        self._accepted = self.counter("deplite_runs_accepted_total", f"Runs that became a job. {_ASKED}", "source")
        self._repeated = self.counter(
            "deplite_runs_repeated_total", f"Requests that met the job of their key. {_ASKED}", "source"
        )
        self._refused = self.counter(
            "deplite_runs_refused_total",
            "Runs that were refused, by who asked and the code of docs/api.md; neither refused credentials nor a "
            "Kubernetes API that does not answer are among them.",
            *("source", "code"),
        )
        self._sweeps = self.histogram(
            "deplite_sweep_duration_seconds", "Rounds of the sweeper, by duty and outcome.", *("duty", "outcome")
        )

    def _make_stores(self) -> None:
        self._stored = self.histogram(
            "deplite_object_store_request_duration_seconds",
            "Calls of the object store, by operation and outcome (`done`, `failed`); waiting for a thread is in it, "
            "and calls that were given up are not.",
            *("operation", "outcome"),
        )
        self.redis_calls = self.counter("deplite_redis_calls_total", "Calls of Redis.")
        self.redis_failures = self.counter(
            "deplite_redis_failures_total", "Calls that got no answer, or one that says no."
        )

    def _make_connections(self) -> None:
        self.watch_failures = self.counter(
            "deplite_cache_watch_failures_total",
            "Watches that failed and were begun anew; the API server's regular end is none.",
            "resource",
        )
        for kind in KINDS:
            self.watch_failures.labels(kind.PLURAL)
        self.streams_opened = self.counter("deplite_agent_streams_opened_total", "Streams that agents opened.")
        self.streams_moved = self.counter(
            "deplite_agent_streams_moved_total", "Streams that were closed to move to another replica."
        )
        self.events_sent = self.counter(
            "deplite_agent_events_sent_total", "Events that were put into streams.", "event"
        )
        self.slack_calls = self.counter(
            "deplite_slack_calls_total",
            "Calls of Slack, by method and outcome (`done`, `refused`, `limited`, `unavailable`).",
            *("method", "outcome"),
        )
        self.jwks_fetches = self.counter("deplite_jwks_fetches_total", "Times that the keys of issuers were asked for.")
        self.jwks_failures = self.counter(
            "deplite_jwks_failures_total", "Failed fetches; the keys known before go on being good."
        )

    def answered(self, route: str, method: str, status: int, code: str | None, seconds: float | None) -> None:
        """Note that the answer to a request began, after so long; None: that is left out."""
        self._requests.labels(route, method, f"{status // 100}xx").inc()
        if seconds is not None:
            self._seconds.labels(route, method).observe(seconds)
        if code is not None:
            self._refusals.labels(code).inc()

    def ran(self, requester: str, *, repeated: bool) -> None:
        """Note that a request became a run, or met the one of its key; by the kind of who asked."""
        (self._repeated if repeated else self._accepted).labels(SOURCES[requester]).inc()

    def refused(self, requester: str, code: str) -> None:
        """Note that a request for a run was refused. Without an answer of the Kubernetes API nobody knows."""
        self._refused.labels(SOURCES[requester], code).inc()

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
