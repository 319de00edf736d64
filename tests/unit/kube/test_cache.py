"""What the cache makes of versions that come late, twice or in the wrong order."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from deplite.kube.cache import Cache, Change
from deplite.kube.client import Page, WatchEvent
from deplite.kube.errors import GoneError, UnavailableError
from deplite.resources import Agent


class Lists:
    """Answers `pages` with what it was given."""

    def __init__(self, *pages: Page) -> None:
        self.given = pages

    async def pages(self, kind: object) -> AsyncIterator[Page]:
        for page in self.given:
            yield page


def body(name: str, version: int, label: str = "x") -> dict[str, Any]:
    return {"metadata": {"namespace": "org-a", "name": name, "resourceVersion": str(version)}, "label": label}


def identified(name: str, version: int, uid: str) -> dict[str, Any]:
    found = body(name, version)
    found["metadata"]["uid"] = uid
    return found


def cache(*pages: Page) -> Cache[str]:
    def project(found: dict[str, Any]) -> str:
        return str(found["label"])

    return Cache(Lists(*pages), Agent, project, indexes={"label": lambda label: label})  # type: ignore[arg-type]


def test_older_news_is_ignored() -> None:
    kept = cache()
    kept.note(body("a", 5, "new"))
    kept.note(body("a", 4, "old"))
    assert kept.get("org-a", "a") == "new"
    assert kept.by("label", "old") == []


def test_end_of_an_earlier_object_leaves_the_later_one() -> None:
    kept = cache()
    kept.note(body("a", 9, "made anew"))
    kept.ended(body("a", 7))
    assert kept.get("org-a", "a") == "made anew"
    kept.ended(body("a", 10))
    assert kept.get("org-a", "a") is None
    assert kept.by("label", "made anew") == []


async def test_an_answer_that_comes_after_the_end_of_its_object_brings_nothing_back() -> None:
    kept = cache(Page(items=[identified("a", 5, "u1"), identified("b", 6, "u2")], version=10))
    await kept.refresh()
    kept.ended(identified("a", 12, "u1"))
    kept.note(identified("a", 11, "u1"))
    assert kept.get("org-a", "a") is None
    kept.note(identified("a", 13, "u3"))
    assert kept.get("org-a", "a") == "x", "made anew under the name"
    kept.forget("org-a", "b", "u2")
    kept.note(identified("b", 14, "u2"))
    kept.note(identified("c", 9, "u4"))
    assert [kept.get("org-a", name) for name in "bc"] == [None, None], "deleted by us, and gone before the list"
    kept.note(identified("b", 15, "u5"))
    assert kept.get("org-a", "b") == "x"


def test_only_the_last_deletions_are_remembered() -> None:
    kept = cache()
    for number in range(5000):
        kept.ended(identified("a", number + 1, f"u{number}"))
    kept.note(identified("a", 9000, "u4999"))
    assert kept.get("org-a", "a") is None
    kept.note(identified("a", 9001, "u1"))
    assert kept.get("org-a", "a") == "x"


def test_an_object_that_cannot_be_read_is_left_out() -> None:
    kept = cache()
    broken = body("a", 5)
    del broken["label"]
    kept.note(broken)
    kept.note(body("b", 6))
    assert (kept.get("org-a", "a"), kept.get("org-a", "b")) == (None, "x")


def test_a_failing_subscriber_harms_nobody() -> None:
    kept, heard = cache(), list[Change[str]]()

    def fail(change: Change[str]) -> None:
        raise RuntimeError(change.key)

    kept.subscribe(fail)
    unsubscribe = kept.subscribe(heard.append)
    kept.note(body("a", 1))
    unsubscribe()
    kept.note(body("a", 2))
    assert [(change.old, change.new) for change in heard] == [(None, "x")]


async def test_refresh_keeps_what_was_written_after_the_list() -> None:
    kept = cache(Page(items=[body("listed", 3)], version=5))
    kept.note(body("gone", 4))
    kept.note(body("written since", 6))
    await kept.refresh()
    assert (kept.get("org-a", "listed"), kept.get("org-a", "gone")) == ("x", None)
    assert kept.get("org-a", "written since") == "x"
    assert (kept.synced, kept.version) == (True, 5)


class Ahead:
    """Is at a version; counts what it is asked."""

    def __init__(self, version: int | None) -> None:
        self.at, self.listed = version, 0
        self.stands_still = False

    async def version(self, kind: object) -> int:
        if self.at is None:
            await asyncio.Event().wait()
        return self.at or 0

    async def pages(self, kind: object, **_: object) -> AsyncIterator[Page]:
        self.listed += 1
        if self.stands_still:
            await asyncio.Event().wait()
        yield Page(items=[], version=self.at or 0)


def filled(ahead: Ahead, *, objects: int = 1) -> Cache[str]:
    kept: Cache[str] = Cache(ahead, Agent, lambda found: str(found["label"]))  # type: ignore[arg-type]
    for number in range(objects):
        kept.note(body(f"a-{number}", number + 1))
    kept.version = 1000
    return kept


async def test_a_look_up_asks_for_nothing_more_where_nothing_is_newer() -> None:
    ahead = Ahead(1000)
    await filled(ahead).freshen(60)
    assert ahead.listed == 0


async def test_of_a_small_kind_what_is_newer_is_fetched() -> None:
    ahead = Ahead(1001)
    await filled(ahead).freshen(60)
    assert ahead.listed == 1


async def test_a_large_kind_is_waited_for_and_never_listed() -> None:
    ahead = Ahead(1001)
    kept = filled(ahead, objects=501)
    await kept.freshen(0.01)  # the plain answer comes then
    waiting = asyncio.create_task(kept.freshen(60))
    await asyncio.sleep(0)
    kept._advance(1001)
    await waiting
    assert ahead.listed == 0


async def test_a_large_kind_whose_watch_has_failed_knows_no_absence() -> None:
    kept = filled(Ahead(1001), objects=501)
    kept.failing = True
    with pytest.raises(UnavailableError):
        await kept.freshen(0.01)


async def test_a_small_kind_whose_news_do_not_come_in_time_knows_no_absence() -> None:
    ahead = Ahead(1001)
    ahead.stands_still = True
    with pytest.raises(UnavailableError):
        await filled(ahead).freshen(0.01)


async def test_an_api_server_that_does_not_say_how_far_it_is_is_no_answer() -> None:
    with pytest.raises(UnavailableError):
        await filled(Ahead(None)).freshen(0.01)


class Watches:
    """An API server whose watches go as they are told to, one after the other; then one stands for ever."""

    def __init__(self, *ways: BaseException | str) -> None:
        self.ways = list(ways)
        self.lists = 0
        self.deaf: list[bool] = []
        """Whether the cache was deaf when it asked for a watch, and once that had opened."""
        self.stands = asyncio.Event()
        self.cache: Cache[str] | None = None

    async def version(self, kind: object) -> int:
        return 10

    async def pages(self, kind: object) -> AsyncIterator[Page]:
        self.lists += 1
        yield Page(items=[], version=10)

    async def watch(self, kind: object, version: int, *, opened: Callable[[], None]) -> AsyncIterator[WatchEvent]:
        assert self.cache is not None
        self.deaf.append(self.cache.deaf)
        way = self.ways.pop(0) if self.ways else "stands"
        if isinstance(way, BaseException):
            raise way
        opened()
        self.deaf.append(self.cache.deaf)
        if way == "stands":
            self.stands.set()
            await asyncio.Event().wait()
        yield WatchEvent(type="BOOKMARK", object={"metadata": {"resourceVersion": "11"}})


@pytest.mark.parametrize("error", [UnavailableError("cut"), GoneError("too old")])
async def test_a_cache_is_deaf_from_the_failure_of_its_watch_until_the_next_one_stands(error: BaseException) -> None:
    kube = Watches("ends", error)
    kept = kube.cache = Cache(kube, Agent, lambda found: str(found))  # type: ignore[arg-type]
    assert not kept.deaf
    failures: list[str] = []
    running = asyncio.create_task(kept.run(lambda: failures.append("one")))
    async with asyncio.timeout(60):
        await kube.stands.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert kube.deaf == [False, False, False, True, False]
    assert failures == ["one"]
    assert kube.lists == (2 if isinstance(error, GoneError) else 1)
