"""What deleted files go on counting, until nobody can upload to their addresses."""

from datetime import datetime
from typing import Any, cast

import pytest

from deplite.kube.cache import Cache
from deplite.kube.client import KubeClient
from deplite.resources import StoredFile
from deplite_apiserver.files.lingering import LINGER_SECONDS, Lingering
from deplite_apiserver.files.view import URL_SECONDS, FileView, project
from tests.unit.apiserver.clocks import StillClock
from tests.unit.apiserver.files.builders import CREATED, NAMESPACE, stored_file


class Followed:
    """A cache at the moment when its files were announced, and what lingers of it."""

    def __init__(self) -> None:
        self.clock = StillClock(datetime.fromisoformat(CREATED))
        self.files: Cache[FileView] = Cache(cast(KubeClient, None), StoredFile, project)
        self.lingering = Lingering(self.files, self.clock.now)

    def gone(self, name: str, **said: Any) -> None:
        self.files.note(stored_file(name, **said))
        self.files.forget(NAMESPACE, name)

    def of(self, organization: str = NAMESPACE) -> tuple[int, int]:
        return self.lingering.of(organization)


def test_a_deleted_file_counts_until_its_address_ended_and_a_round_has_passed() -> None:
    followed = Followed()
    followed.gone("a", size=900)
    followed.gone("b", size=70)
    assert followed.of() == (2, 970)
    assert followed.of("org-b") == (0, 0)
    followed.clock.advance(URL_SECONDS + 299)
    assert followed.of() == (2, 970)
    followed.clock.advance(1)
    assert followed.of() == (0, 0)


def test_one_that_is_there_does_not_linger_and_one_that_is_old_never_does() -> None:
    followed = Followed()
    followed.files.note(stored_file("a", size=9))
    followed.files.note(stored_file("a", size=9, version=2, status={"phase": "Stored", "size": 9}))
    assert followed.of() == (0, 0)
    followed.clock.advance(LINGER_SECONDS)
    followed.gone("b", size=9)
    assert followed.of() == (0, 0)


@pytest.mark.parametrize("stored", [7, -1, 2**62])
def test_what_a_status_says_does_not_count_for_it_may_be_a_lie(stored: int) -> None:
    followed = Followed()
    followed.gone("a", status={"phase": "Stored", "size": stored})
    followed.gone("b", size=5, status={"phase": "Stored", "size": stored})
    assert followed.of() == (2, 5)


def test_one_that_was_made_anew_under_its_name_leaves_the_older_one_counted() -> None:
    followed = Followed()
    followed.files.note(stored_file("a", size=9))
    anew = stored_file("a", version=2, size=1)
    followed.files.note(anew.model_copy(update={"metadata": anew.metadata.model_copy(update={"uid": "another"})}))
    assert followed.of() == (1, 9)
