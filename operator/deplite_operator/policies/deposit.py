"""What came of the look at a Secret, as the policies of tokens and codes take it."""

from dataclasses import dataclass, field

from deplite.resources.credentials import Credential
from deplite_operator.conditions import Finding


@dataclass(frozen=True, kw_only=True)
class Deposit:
    """The state of the Secret after it was looked at and, where needed, written."""

    finding: Finding
    """SecretsReady."""
    credential: Credential | None = field(default=None, repr=False)
    """What the Secret holds; None where it could not be used."""
