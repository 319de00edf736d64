"""The body of `POST /agent/jobs/:id/logs`, and the answers about logs."""

from typing import Annotated, Literal

from pydantic import Field, StrictInt, StrictStr

from deplite_apiserver.edge.body import Closed, Shape, absent
from deplite_apiserver.errors import ValidationFailedError

MAX_ITEMS = 1000
MAX_LINE_BYTES = 1024 * 1024
MAX_STEP_NAME = 256


Level = Literal["info", "warn", "error"]


class LogItem(Closed):
    """One line, or several that belong together."""

    seq: Annotated[StrictInt, Field(ge=0, le=2**63 - 1)]
    stream: Literal["raw", "system", "summary"]
    content: StrictStr
    step_name: Annotated[StrictStr, Field(max_length=MAX_STEP_NAME)] | None = None
    level: Level | None = None


class LogBatch(Closed):
    """Lines in any order; gaps are legal, and of a repeated seq the first one written wins."""

    items: Annotated[list[LogItem], Field(max_length=MAX_ITEMS)]

    def check(self) -> None:
        """Check what a schema cannot say.

        Raises:
            ValidationFailedError: a line is longer than 1 MiB.
        """
        for number, item in enumerate(self.items):
            if len(item.content.encode("utf-8", "replace")) > MAX_LINE_BYTES:
                raise ValidationFailedError(f"items.{number}.content may have at most {MAX_LINE_BYTES} bytes.")


class AcceptedShape(Shape):
    """How many lines were new and are stored."""

    accepted: int
    dropped: int = absent(
        "Lines that are not stored, for the log has reached its bounds; do not send them again. Absent where all are.",
        ge=1,
    )
    flush_ms: int = Field(
        default_factory=int, description="How soon to send the next lines; absent while nobody follows."
    )


class LogLineShape(Shape):
    """A line as REST shows it; `stepName` is empty for the job itself."""

    seq: int
    stream: Literal["raw", "system", "summary"]
    step_name: str
    level: Level = absent("Absent where the agent said none.")
    content: str


class LogPageShape(Shape):
    """Lines in the order of their seq; `nextSeq` is where the next page begins."""

    items: list[LogLineShape]
    next_seq: int
