"""What can go wrong for a caller; each message is a sentence that says what to do.

ClientError
├── CallerError          who or where is called is not said, or wrongly
├── FileError            a file here cannot be read or written, or a file there is not what it should be
├── SlackChoiceError     it is not clear which Slack workspace is meant
├── RefusedError         the server refuses a call: trying again does not help
└── AwayError            no answer, or one that asks to come back later
"""

from deplite.errors import DepliteError


class ClientError(DepliteError):
    """Base of this tree."""


class CallerError(ClientError):
    """A variable of the environment is missing or wrong; the message names it."""


class FileError(ClientError):
    """A file cannot be transferred; trying the same again may or may not help, the message says which."""


class SlackChoiceError(ClientError):
    """There is no such workspace, or more than one; the message names those that there are."""


class RefusedError(ClientError):
    """The server, or its storage, refuses a call.

    Attributes:
        status: the HTTP status.
        code: the wire code, or S3's.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{message} ({status} {code})")
        self.status = status
        self.code = code


class AwayError(ClientError):
    """The server, or its storage, does not answer now.

    Attributes:
        retry_after: seconds that it asked for, 0 where it said nothing.
    """

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after
