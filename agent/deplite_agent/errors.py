"""What can go wrong on the agent's side.

AgentError
├── SettingsError        the environment is missing something
├── StateError           the state folder is taken or damaged
├── EnrollmentError      the server refuses the enrolment code
├── RevokedError         the server says that this agent was revoked
├── ReplacedError        another pod of the pool is this agent now
├── ReenrolledError      enrolled again, as somebody else or at a server with another key
├── WorkflowFileError    a workflow file is wrong: file, place, what to do
├── RefusedError         the server refuses a call for good (a 4xx answer)
└── AwayError            the server does not answer, or asks to be left alone: try again later
    └── StorageAwayError the same of the object store, while the server answers
"""

from typing import TYPE_CHECKING

from deplite.errors import DepliteError

if TYPE_CHECKING:
    from deplite_agent.identity import Enrolled


class AgentError(DepliteError):
    """Base of this tree."""


class SettingsError(AgentError):
    """A setting is missing or wrong; the message names the variable."""


class StateError(AgentError):
    """The state folder cannot be used."""


class EnrollmentError(AgentError):
    """The server does not take the enrolment code or the key."""


class RevokedError(AgentError):
    """This agent was revoked: it ends, and forgets its key if the server has signed that."""


class ReplacedError(AgentError):
    """Another pod has taken this agent over: this one ends, and never comes back."""


class ReenrolledError(AgentError):
    """The server knows this machine under another identity by now: work begins anew with that one.

    Attributes:
        enrolled: what it said.
    """

    def __init__(self, enrolled: "Enrolled") -> None:
        super().__init__(f"This machine is agent {enrolled.agent_id} now.")
        self.enrolled = enrolled


class WorkflowFileError(AgentError):
    """A workflow file cannot be used."""


class RefusedError(AgentError):
    """The server refuses a call; trying again does not help.

    Attributes:
        status: the HTTP status.
        code: the wire code.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code


class AwayError(AgentError):
    """The server cannot be reached, or answers 429 or 5xx.

    Attributes:
        retry_after: seconds that it asked for, 0 where it said nothing.
    """

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class StorageAwayError(AwayError):
    """The object store cannot be reached, by us or by the server."""
