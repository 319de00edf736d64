"""The deeds of one session, each with the test that was the first to cause it, and the ledgers of several together."""

import bisect
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.auditing.deeds import Deed, read
from tests.auditing.grants import Grant, all_grants, for_everybody

BEFORE = "before the first test"


@dataclass
class Ledger:
    """What the parts did, and what they were refused."""

    done: dict[Deed, str] = field(default_factory=dict)
    refused: dict[Deed, str] = field(default_factory=dict)
    _times: list[str] = field(default_factory=list)
    _tests: list[str] = field(default_factory=list)

    def begins(self, test: str) -> None:
        """Note that a test begins now."""
        self._times.append(datetime.now(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z")
        self._tests.append(test)

    def fold(self, log: Path) -> None:
        """Take in an audit log."""
        with log.open("rb") as lines:
            for line in lines:
                try:
                    entry = read(line)
                except ValueError:
                    continue  # the last words of a server that was killed
                if entry is not None:
                    (self.refused if entry.refused else self.done).setdefault(entry.deed, self._test_at(entry.time))

    def merge(self, other: "Ledger") -> None:
        """Take in another session."""
        self.done = other.done | self.done
        self.refused = other.refused | self.refused

    def unused(self, grants: Iterable[Grant] | None = None) -> list[Grant]:
        """Return the grants that no deed used."""
        return [
            grant
            for grant in (all_grants() if grants is None else grants)
            if not any(grant.covers(deed) for deed in self.done)
        ]

    def ungranted(self) -> dict[Deed, str]:
        """Return what was tried that no role grants, whether it was refused or not.

        A right of ours that does not hold there yet, or any more (an organization without its RoleBinding,
        a role that the server has not read) is none of these: the part had reason to try.
        """
        grants = all_grants()
        tried = self.refused | {deed: test for deed, test in self.done.items() if not for_everybody(deed)}
        return {deed: test for deed, test in tried.items() if not any(grant.covers(deed) for grant in grants)}

    def save(self, path: Path) -> None:
        """Write it."""
        rows = {
            name: [[*deed, test] for deed, test in sorted(found.items())]
            for name, found in (("done", self.done), ("refused", self.refused))
        }
        path.write_text(json.dumps(rows, indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> "Ledger":
        """Return what was written."""
        rows = json.loads(path.read_text())
        return cls(*({Deed(*row[:-1]): row[-1] for row in rows[name]} for name in ("done", "refused")))

    def _test_at(self, time: str) -> str:
        number = bisect.bisect_right(self._times, time) - 1
        return self._tests[number] if number >= 0 else BEFORE
