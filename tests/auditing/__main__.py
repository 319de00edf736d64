"""`python -m tests.auditing`: after a whole run, every right that `deplite/rights` grants a part was used.

`--begin` forgets earlier runs; a run may then be several sessions of pytest.
"""

import shutil
import sys

from tests.auditing.grants import all_grants
from tests.auditing.ledger import Ledger
from tests.auditing.plugin import FOLDER


def verdict() -> list[str]:
    """Return what is wrong, in sentences."""
    paths = sorted(FOLDER.glob("*.json"))
    if not paths:
        return [f"No session has left a ledger in {FOLDER}: run `deplite setup` and the whole suite first."]
    ledger = Ledger()
    for path in paths:
        ledger.merge(Ledger.load(path))
    return [
        *(
            f"Granted, but no test uses it: {grant}. Take it out of deplite/rights, or test what needs it."
            for grant in ledger.unused()
        ),
        *(
            f"No role grants what a part tried: {deed}, first in {test}."
            for deed, test in sorted(ledger.ungranted().items())
        ),
    ]


def main() -> None:
    if "--begin" in sys.argv[1:]:
        shutil.rmtree(FOLDER, ignore_errors=True)
        return
    if wrong := verdict():
        sys.exit("\n".join(wrong))
    print(f"Each of the {len(all_grants())} rights of the parts was used, and nothing else was tried.")


if __name__ == "__main__":
    main()
