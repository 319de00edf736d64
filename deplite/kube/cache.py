"""A local copy of one kind, kept by one paged list and one watch, in the form that its user wants to hold.

Reads are synchronous and never touch the network; they may lag behind. Whoever must not miss an object that exists asks
`catch_up` first.
"""

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from deplite.kube.client import KubeClient
from deplite.kube.errors import GoneError, KubeError, NotFoundError, UnavailableError
from deplite.protocol.backoff import Backoff
from deplite.resources.resource import Resource

Value = TypeVar("Value")
Key = tuple[str, str]
"""Namespace and name."""
Body = Mapping[str, Any] | Resource
"""An object as the API server sent it, or as a write of ours got it back."""

_FIRST_RETRY_SECONDS = 0.5
"""A part has half a dozen caches: together they must not storm an API server that is in trouble."""
_LONGEST_RETRY_SECONDS = 5.0
"""With half a dozen caches that is two tries a second; an API server that is back is followed again soon."""
_GAP_SECONDS = 0.5
"""Between the end of a watch that the API server ended and the next one, what is cached counts as news."""
_FEW = 500
"""Objects of a kind whose versions are listed for one look-up."""
_CATCH_UP_AT_MOST = 50
"""A cache that is further behind than this is filling anyway."""
_BURIED_AT_MOST = 4096
"""Older news than so many deletions ago does not come."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Change(Generic[Value]):
    """What became of one object: `old` is None for a new one, `new` is None for a deleted one."""

    key: Key
    old: Value | None
    new: Value | None


Callback = Callable[[Change[Value]], None]


class Cache(Generic[Value]):
    """All objects of a kind, cluster-wide.

    Attributes:
        kind: what it holds.
        synced: whether the first list is complete.
        version: the newest resourceVersion seen.
        heard_at: `time.monotonic()` of the last word from the API server.
        failing: whether the last thing that was asked of the API server failed.
    """

    def __init__(
        self,
        kube: KubeClient,
        kind: type[Resource],
        project: Callable[[Any], Value],
        *,
        indexes: Mapping[str, Callable[[Value], Hashable | None]] | None = None,
    ) -> None:
        """Make an empty cache; `run` fills it.

        Args:
            kube: the client.
            kind: the kind.
            project: turns an object, raw or typed, into what is kept.
            indexes: name → function to the key under which `by` finds a value (None: not indexed; a frozenset: each
                of its members is such a key).
        """
        self._kube = kube
        self.kind = kind
        self._project = project
        self._key_functions = dict(indexes or {})
        self._values: dict[Key, Value] = {}
        self._versions: dict[Key, int] = {}
        self._indexes: dict[str, dict[Hashable, set[Key]]] = {name: {} for name in self._key_functions}
        self._buried: OrderedDict[str, None] = OrderedDict()
        """Uids of deleted objects, which no object ever has again."""
        self._subscribers: list[Callback[Value]] = []
        self._moved = asyncio.Event()
        self.synced = False
        self.version = 0
        self.heard_at = float("-inf")
        self.failing = False
        self._unheard_since: float | None = None
        """`time.monotonic()` at which a watch ended in peace and no other stands since; minus infinity: it failed."""

    @property
    def deaf(self) -> bool:
        """Whether no watch stands, so that what is cached may be old: whoever decides on an object asks for it then."""
        return self._unheard_since is not None and time.monotonic() - self._unheard_since > _GAP_SECONDS

    def get(self, namespace: str, name: str) -> Value | None:
        """Return one value."""
        return self._values.get((namespace, name))

    def values(self) -> Iterable[Value]:
        """Return all values, in no order."""
        return list(self._values.values())

    def by(self, index: str, key: Hashable) -> list[Value]:
        """Return the values that an index holds under a key."""
        return [self._values[found] for found in self._indexes[index].get(key, ())]

    @property
    def size(self) -> int:
        """How many objects there are."""
        return len(self._values)

    def count(self, index: str, key: Hashable) -> int:
        """Return how many values an index holds under a key."""
        return len(self._indexes[index].get(key, ()))

    def subscribe(self, callback: Callback[Value]) -> Callable[[], None]:
        """Call back at each change, synchronously; returns the function that ends it."""
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback)

    async def wait_synced(self) -> None:
        """Wait until the first list is complete."""
        while not self.synced:
            await self._wait_moved()

    def note(self, resource: Mapping[str, Any] | Resource) -> None:
        """Put the answer to a write of our own in, so that its writer reads it at once; older than known: ignored.

        The answer may come after the news of the object's end. What list and watch have passed and do not hold is gone.
        """
        if _key(resource) in self._versions or _version(resource) > self.version:
            self._put(resource)

    def ended(self, body: Mapping[str, Any]) -> None:
        """Take out what a DELETED event tells of, unless an object made anew under the name is known already."""
        key = _key(body)
        self._bury(_uid(body))
        if self._versions.get(key, 0) <= _version(body):
            self._remove(key)

    def forget(self, namespace: str, name: str, uid: str = "") -> None:
        """Take out what we have just deleted ourselves; with its uid, no older news of it brings it back."""
        self._bury(uid)
        self._remove((namespace, name))

    async def run(self, failed: Callable[[], None] = lambda: None) -> None:
        """List and watch for ever; a failure is retried with back-off, a stale version lists again.

        Args:
            failed: is told that a watch failed and is begun anew.
        """
        backoff = Backoff(first=_FIRST_RETRY_SECONDS, most=_LONGEST_RETRY_SECONDS)
        while True:
            try:
                if self.failing:
                    await self._knock()
                if not self.synced or self.version == 0:
                    await self.refresh()
                    backoff.reset()
                await self._follow(backoff)
            except GoneError:
                failed()
                self.version, self._unheard_since = 0, float("-inf")
                await asyncio.sleep(backoff.next())
            except KubeError as error:
                failed()
                self.failing, self._unheard_since = True, float("-inf")
                log.warning("watch of %s: %s", self.kind.PLURAL, error, extra={"action": "watch_failed"})
                await asyncio.sleep(backoff.next())

    async def refresh(self) -> None:
        """List once: puts in what is there, takes out what is not. For caches that somebody else's watch feeds, too."""
        seen: set[Key] = set()
        version = 0
        async for page in self._kube.pages(self.kind):
            self.heard_at = time.monotonic()
            version = page.version
            for item in page.items:
                seen.add(_key(item))
                self._put(item)
        for key in [key for key in self._values if key not in seen and self._versions[key] <= version]:
            self._remove(key)
        self.synced = True
        self._advance(version)

    async def catch_up(self) -> None:
        """Put in what the API server has and the cache has not yet: for a look-up that must not miss what exists.

        A list of names and versions says which objects those are; only they are fetched. Waiting for the watch would
        not do: the watch of a quiet kind does not learn how far the others have come.
        """
        async for page in self._kube.pages(self.kind, metadata_only=True, limit=5000):
            newer = [item for item in page.items if _version(item) > self._versions.get(_key(item), 0)]
            for item in newer[:_CATCH_UP_AT_MOST]:
                with contextlib.suppress(NotFoundError):
                    self.note(await self._kube.get(self.kind, *_key(item)))

    async def freshen(self, seconds: float) -> None:
        """See what was written before this call, or wait as long for it.

        A large kind that nobody writes to never hears how far the others have come: where its watch is open, and that
        time has passed, it is taken to have all.

        Raises:
            UnavailableError: the API server does not tell how far it is, or the watch is not open.
            KubeError: it refuses to.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        try:
            async with asyncio.timeout_at(deadline):
                version = await self._kube.version(self.kind)
        except TimeoutError:
            raise UnavailableError("The Kubernetes API does not say how far it is.") from None
        try:
            async with asyncio.timeout_at(deadline):
                await self._reach(version)
        except TimeoutError:
            if self.failing or len(self._values) <= _FEW:
                raise UnavailableError(f"The cache of {self.kind.PLURAL} is behind the Kubernetes API.") from None

    async def _reach(self, version: int) -> None:
        """Wait for a version; of a small kind, which may be quiet for long, fetch what is newer than what we have."""
        if self.version >= version:
            return
        if len(self._values) <= _FEW:
            await self.catch_up()
        else:
            while self.version < version:
                await self._wait_moved()

    async def _knock(self) -> None:
        """Ask something small: a watch that was opened in vain and one that has nothing to say look alike."""
        await self._kube.version(self.kind)
        self.heard_at = time.monotonic()
        self.failing = False

    async def _follow(self, backoff: Backoff) -> None:
        if self._unheard_since is None:
            self._unheard_since = time.monotonic()
        async for event in self._kube.watch(self.kind, self.version, opened=self._stands):
            self.heard_at = time.monotonic()
            if event.type == "DELETED":
                self.ended(event.object)
            elif event.type != "BOOKMARK":
                self._put(event.object)
            self._advance(event.version)
            backoff.reset()
        self.heard_at = time.monotonic()

    def _stands(self) -> None:
        self._unheard_since = None

    def _advance(self, version: int) -> None:
        self.version = max(self.version, version)
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def _wait_moved(self) -> None:
        await self._moved.wait()

    def _put(self, body: Body) -> None:
        key, version = _key(body), _version(body)
        if version <= self._versions.get(key, 0) or _uid(body) in self._buried:
            return
        try:
            new = self._project(body)
        except Exception:  # one object that nobody can read must not end the watch of all others
            log.exception("%s %s/%s cannot be read", self.kind.KIND, *key, extra={"action": "object_unreadable"})
            return
        old = self._values.get(key)
        if old is not None:
            self._unindex(key, old)
        self._values[key], self._versions[key] = new, version
        for index, under in self._places(new):
            index.setdefault(under, set()).add(key)
        self._tell(Change(key=key, old=old, new=new))

    def _bury(self, uid: str) -> None:
        if uid:
            self._buried[uid] = None
            if len(self._buried) > _BURIED_AT_MOST:
                self._buried.popitem(last=False)

    def _remove(self, key: Key) -> None:
        old = self._values.pop(key, None)
        self._versions.pop(key, None)
        if old is not None:
            self._unindex(key, old)
            self._tell(Change(key=key, old=old, new=None))

    def _unindex(self, key: Key, old: Value) -> None:
        for index, under in self._places(old):
            if (keys := index.get(under)) is not None:
                keys.discard(key)
                if not keys:
                    del index[under]

    def _places(self, value: Value) -> Iterator[tuple[dict[Hashable, set[Key]], Hashable]]:
        for name, function in self._key_functions.items():
            found = function(value)
            if isinstance(found, frozenset):
                yield from ((self._indexes[name], under) for under in found)
            elif found is not None:
                yield self._indexes[name], found

    def _tell(self, change: Change[Value]) -> None:
        for callback in tuple(self._subscribers):
            try:
                callback(change)
            except Exception:
                log.exception("a subscriber of %s failed", self.kind.PLURAL, extra={"action": "subscriber_failed"})


def _version(body: Body) -> int:
    return int(body.metadata.resource_version if isinstance(body, Resource) else body["metadata"]["resourceVersion"])


def _uid(body: Body) -> str:
    return body.metadata.uid if isinstance(body, Resource) else str(body["metadata"].get("uid", ""))


def _key(body: Body) -> Key:
    if isinstance(body, Resource):
        return body.key
    return body["metadata"].get("namespace", ""), body["metadata"]["name"]
