"""What to do about the Secret that a token or a code is minted into.

The Secret is always written before the status. So while the status knows no credential, one in the Secret is the trace
of a crash in between (or was put there on purpose): it is adopted. Once the status knows one, no other is adopted: it
may have been rotated away. A crash in between then mints once more, and what was never in a status never worked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from deplite.resources.apitoken import ApiTokenSpec
from deplite.resources.credentials import Credential, CredentialKind, describe, well_formed
from deplite.resources.enrollmenttoken import EnrollmentTokenSpec
from deplite.resources.reasons import NOT_MINTED, SECRET_CONFLICT
from deplite.resources.secrettemplate import SecretTemplate
from deplite_operator.conditions import Finding, not_ready, stalled
from deplite_operator.policies.deposit import Deposit
from deplite_operator.policies.secrettemplate import Marks, marked

OWNER_LABEL = "deplite.io/minted-for"
"""On a minted Secret: the id of the token or code, so that two of them never share one credential."""
OWNER_UID_LABEL = "deplite.io/minted-for-uid"
"""On a Secret with a code: the uid of its object, so that no later one of that name brings a spent code back."""
TOKEN_KEY = "token"  # noqa: S105 - the name of a key
URL_KEY = "url"


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a token or a code wants of its Secret."""

    owner: str
    """Its id."""
    kind: CredentialKind
    url: str
    known_sha256: str | None
    """The hash that its status shows."""
    rotate: bool
    """Whether its spec asks for a rotation that its status has not seen."""
    owner_uid: str | None = None
    """Where the credential must be its own: that of an object of this name that is gone is not adopted."""
    template: SecretTemplate | None = None
    """What the Secret is to have beside its content."""

    def marks(self, found: Marks) -> Marks:
        """Return the labels and annotations that a Secret which has these should have."""
        return marked(found, self.template or SecretTemplate(), self.labels)

    @property
    def labels(self) -> dict[str, str]:
        """What the Secret says of whom it is for."""
        return {OWNER_LABEL: self.owner} | ({OWNER_UID_LABEL: self.owner_uid} if self.owner_uid else {})


@dataclass(frozen=True, kw_only=True)
class SecretFacts:
    """What is in the Secret, if there is one."""

    data: Mapping[str, bytes] = field(repr=False)
    marks: Marks
    immutable: bool = False
    """Whether Kubernetes refuses each change of its data."""
    foreign: bool = False
    """Whether it is of a type of its own or something else controls it: nothing is minted into it."""

    @property
    def owner(self) -> str | None:
        """The id of whom it is for."""
        return self.marks.labels.get(OWNER_LABEL)


class Step(Enum):
    """What is to be done."""

    KEEP = "keep"
    """Nothing: it holds what it should."""
    MARK = "mark"
    """The credential in it stays, but labels, annotations or url are not as they should be: write those."""
    MINT = "mint"
    """Put a fresh credential into it."""
    REFUSE = "refuse"
    """It is not ours to write."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The step, and the credential that the Secret holds already (for KEEP and MARK)."""

    step: Step
    credential: Credential | None = None
    why: str = ""
    """For REFUSE, and for KEEP of what should be marked: what is wrong, to be read after the Secret's name."""


def plan(order: Order, secret: SecretFacts | None) -> Plan:
    """Decide what happens to the Secret (None: there is none)."""
    if secret is None:
        return Plan(step=Step.MINT)
    decided = _decide(order, secret)
    if not secret.immutable:
        return decided
    if decided.step is Step.MINT:
        return Plan(step=Step.REFUSE, why="is immutable, so nothing can be minted into it")
    if decided.step is Step.MARK and not _leads_to(order, secret):
        why = "is immutable: its key `url` cannot be written; make it again without `immutable`"
        return Plan(step=Step.KEEP, credential=decided.credential, why=why)
    return decided


def _decide(order: Order, secret: SecretFacts) -> Plan:
    if secret.owner not in (None, order.owner):
        return Plan(step=Step.REFUSE, why="belongs to another token")
    found = _credential(order.kind, secret.data)
    if found is None:
        ours = secret.owner == order.owner or not secret.data
        return _mint_into(secret) if ours else Plan(step=Step.REFUSE, why="holds something else than a token")
    if secret.owner is None and not order.rotate and (why := _not_adopted(order, secret, found)):
        return Plan(step=Step.REFUSE, why=why)
    if _is_over(order, secret, found):
        return _mint_into(secret)
    settled = order.marks(secret.marks) == secret.marks and _leads_to(order, secret)
    return Plan(step=Step.KEEP if settled else Step.MARK, credential=found)


def _mint_into(secret: SecretFacts) -> Plan:
    if secret.foreign:
        return Plan(step=Step.REFUSE, why="is not of type Opaque or has a controller, so nothing is minted into it")
    return Plan(step=Step.MINT)


def _not_adopted(order: Order, secret: SecretFacts, found: Credential) -> str | None:
    """Say why a credential in a Secret that nobody marked does not become this object's; None where it does."""
    if order.known_sha256 is not None and found.sha256 != order.known_sha256:
        return "holds another token than the one that was minted"
    url = secret.data.get(URL_KEY)
    if order.known_sha256 is None and url not in (None, order.url.encode()):
        return "holds a token with another url"
    return None


def _is_over(order: Order, secret: SecretFacts, found: Credential) -> bool:
    """Whether the credential in the Secret was rotated away, or may be of an object that is gone."""
    known = order.known_sha256 is not None and found.sha256 == order.known_sha256
    if order.known_sha256 is not None and (order.rotate or not known):
        return True
    uid = secret.marks.labels.get(OWNER_UID_LABEL)
    if order.owner_uid is None or uid == order.owner_uid:
        return False
    return uid is not None or (secret.owner is not None and not known)


def _leads_to(order: Order, secret: SecretFacts) -> bool:
    return secret.data.get(URL_KEY) == order.url.encode()


def not_minted(
    noun: str, spec: ApiTokenSpec | EnrollmentTokenSpec, deposit: Deposit | None, *, known: bool
) -> Finding | None:
    """Say why a token or a code is not where its spec wants it; None where it is.

    Args:
        noun: what it is called, e.g. `token`.
        spec: its spec.
        deposit: what came of the look at its Secret; None where none was due.
        known: whether its status shows a credential, which counts where no look was due.
    """
    if known if deposit is None else deposit.credential is not None:
        return None
    if spec.minted_by == "api":
        advice = f"create another {noun} if this stays"
        return not_ready(NOT_MINTED, f"The REST call that created the {noun} has not stored its hash; {advice}.")
    if spec.secret_name is None:
        return stalled(NOT_MINTED, f"Set spec.secretName to the Secret that the {noun} shall be minted into.")
    say = stalled if deposit is not None and deposit.finding.reason == SECRET_CONFLICT else not_ready
    return say(NOT_MINTED, f"Secret {spec.secret_name} does not hold the {noun}; the condition SecretsReady says why.")


def _credential(kind: CredentialKind, data: Mapping[str, bytes]) -> Credential | None:
    text = data.get(TOKEN_KEY, b"").decode("ascii", "replace").strip()
    return describe(text) if well_formed(text, kind) else None
