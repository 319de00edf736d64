"""Log lines: one JSON object a line for machines, or short text for people. Set up by each part's `main`.

Whatever speaks goes this way, libraries, warnings and errors that end the process included. Below `info` only our own
loggers speak: at `debug` some libraries write whole bodies, and so secrets.
"""

import json
import logging
import sys
import threading
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal, get_args

Form = Literal["json", "text"]
Level = Literal["debug", "info", "warning", "error"]

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request that is being served, in every line that it causes."""
job_id: ContextVar[str] = ContextVar("job_id", default="")
"""The job that this task works for; where one line is about a job, `extra={"jobId": …}` says so."""

_KOPF = {"k8s_ref", "k8s_skip", "settings"}
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"} | _KOPF
_OURS = ("deplite", "deplite_apiserver", "deplite_operator", "deplite_agent")
_NOISY = ("httpx", "httpcore", "urllib3", "aiohttp.access", "kopf")
"""They would log addresses of every request, or each event."""


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and whatever `extra` named."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name, found in (("requestId", request_id.get()), ("jobId", job_id.get())):
            if found:
                line[name] = found
        line |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def form_in(environment: Mapping[str, str], default: Form) -> Form:
    """Return what `DEPLITE_LOG_FORMAT` says if it is one, to complain in about settings that are wrong."""
    found = environment.get("DEPLITE_LOG_FORMAT")
    return next((form for form in get_args(Form) if form == found), default)


def configure_logging(form: Form, level: Level = "info") -> None:
    """Send all log lines to standard error in one form, those of at least a level."""
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    handler.setFormatter(JsonFormatter() if form == "json" else text)
    least = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(level=max(least, logging.INFO), handlers=[handler], force=True)
    for ours in _OURS:
        logging.getLogger(ours).setLevel(least)
    for noisy in _NOISY:
        logging.getLogger(noisy).setLevel(max(least, logging.WARNING))
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught
    threading.excepthook = lambda ended: _uncaught(ended.exc_type, ended.exc_value, ended.exc_traceback)


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if error is None or issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error or kind(), trace)
        return
    logging.getLogger("deplite").critical(
        "ended by an error that nobody foresaw: %s", error, exc_info=(kind, error, trace), extra={"action": "uncaught"}
    )
