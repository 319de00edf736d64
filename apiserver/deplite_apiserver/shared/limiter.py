"""The limiter of several replicas: counters in Redis, checked and counted by one script, in one step for all of them.

A counter is a hash of one window: when that began, and how many uses it has. The script decides only whether there is
room, by the clock of Redis; what a caller over the limit is told comes from `windows.judge`, as in memory.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from deplite_apiserver.errors import UnavailableError
from deplite_apiserver.limits.limiter import Reservation
from deplite_apiserver.limits.windows import WINDOW_SECONDS, Exceeded, Quota, judge
from deplite_apiserver.shared.link import Link

SEEDED = "seeded"
"""The marker: windows know what happened before; its value is new each time that Redis came up empty."""
SLACK_SECONDS = 60
"""How much longer than its window a counter is kept: the clock of a successor of this Redis may be behind."""
_SEEDS_A_CALL = 500

_USE = """
local seeded = redis.call('GET', KEYS[1])
if not seeded then return {} end
local time = redis.call('TIME')
local now = tonumber(ARGV[2]) or (time[1] * 1000000 + time[2])
local second = math.floor(now / 1000000)
local answer = {seeded, string.format('%.0f', now)}
local starts, room = {}, true
for i = 2, #KEYS do
  local seconds, limit = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local known = redis.call('HMGET', KEYS[i], 'start', 'count')
  local start, count = second - second % seconds, 0
  -- A clock that was put back opens no window anew: the later one goes on.
  if known[1] and tonumber(known[1]) >= start then start, count = tonumber(known[1]), tonumber(known[2]) end
  starts[i] = {start, count, seconds}
  answer[#answer + 1] = count
  room = room and count < limit
end
if room and ARGV[1] == 'count' then
  for i = 2, #KEYS do
    local start, count, seconds = unpack(starts[i])
    if redis.call('HGET', KEYS[i], 'start') == tostring(start) then
      redis.call('HINCRBY', KEYS[i], 'count', 1)
    else
      redis.call('HSET', KEYS[i], 'start', start, 'count', 1)
    end
    redis.call('EXPIRE', KEYS[i], start + seconds - second + SLACK)
  end
end
return answer
""".replace("SLACK", str(SLACK_SECONDS))

_GIVE_BACK = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return end
for i = 2, #KEYS do
  local known = redis.call('HMGET', KEYS[i], 'start', 'count')
  if known[1] == ARGV[i] and tonumber(known[2]) > 0 then redis.call('HINCRBY', KEYS[i], 'count', -1) end
end
"""

_SEED = """
for i, key in ipairs(KEYS) do
  local start, count, seconds = ARGV[3 * i - 2], tonumber(ARGV[3 * i - 1]), ARGV[3 * i]
  local known = redis.call('HMGET', key, 'start', 'count')
  if known[1] == start then count = math.max(count, tonumber(known[2])) end
  if not known[1] or tonumber(known[1]) <= tonumber(start) then
    redis.call('HSET', key, 'start', start, 'count', count)
    redis.call('EXPIRE', key, seconds)
  end
end
"""


class UnseededError(UnavailableError):
    """Redis came up empty, and what the cluster's jobs say is not counted yet."""

    default = "The rate windows are being counted anew; try again."


class RedisLimiter:
    """As `Limiter`, for all replicas together."""

    def __init__(self, link: Link, *, now: Callable[[], datetime] | None = None) -> None:
        """Make it.

        Args:
            link: Redis.
            now: the clock; None: that of Redis, which all replicas share.
        """
        self._link, self._now = link, now

    async def check(self, quotas: Sequence[Quota]) -> Exceeded | None:
        """As `Limiter.check`.

        Raises:
            UnavailableError: Redis is away, or not seeded.
        """
        outcome = await self._use("check", quotas)
        return outcome if isinstance(outcome, Exceeded) else None

    async def reserve(self, quotas: Sequence[Quota]) -> Reservation | Exceeded:
        """As `Limiter.reserve`. What nothing limits needs no Redis.

        Raises:
            UnavailableError: Redis is away, or not seeded. A use whose answer was lost on the way may count.
        """
        return await self._use("count", quotas)

    async def give_back(self, reservation: Reservation) -> None:
        """As `Limiter.give_back`; while Redis is away it stays counted, and so it does where Redis was emptied."""
        if not reservation.counted:
            return
        keys = [self._counter(key, window) for key, window, _ in reservation.counted]
        starts = [start for *_, start in reservation.counted]
        try:
            await self._link.run(_GIVE_BACK, [self._link.key(SEEDED), *keys], [reservation.seeded, *starts])
        except UnavailableError:
            return

    async def seed(self, uses: Mapping[str, Sequence[datetime]], now: datetime) -> None:
        """Count uses in the present windows, where they are not counted already.

        Args:
            uses: moments of the last day, by key.
            now: the present moment by the clock of Redis.

        Raises:
            UnavailableError: Redis is away.
        """
        counters = []
        for key, moments in uses.items():
            for window, seconds in WINDOW_SECONDS.items():
                start = int(now.timestamp()) // seconds * seconds
                if count := sum(at.timestamp() >= start for at in moments):
                    counters.append((self._counter(key, window), (start, count, 2 * seconds + SLACK_SECONDS)))
        for first in range(0, len(counters), _SEEDS_A_CALL):
            keys, values = zip(*counters[first : first + _SEEDS_A_CALL], strict=True)
            await self._link.run(_SEED, keys, [one for value in values for one in value], repeatable=True)

    async def _use(self, wish: str, quotas: Sequence[Quota]) -> Reservation | Exceeded:
        if not quotas:
            return Reservation(counted=())
        moment = "" if self._now is None else round(self._now().timestamp() * 1_000_000)
        bounds = [bound for quota in quotas for bound in (WINDOW_SECONDS[quota.window], quota.limit)]
        keys = [self._counter(quota.key, quota.window) for quota in quotas]
        answer = await self._link.run(_USE, [self._link.key(SEEDED), *keys], [wish, moment, *bounds])
        if not answer:
            raise UnseededError(retry_after=1)
        seeded, microseconds, *counts = answer
        now = datetime.fromtimestamp(int(microseconds) / 1_000_000, UTC)
        exceeded = judge(quotas, counts, now)
        if exceeded is not None:
            return exceeded
        counted = tuple((quota.key, quota.window, quota.window_start(now)) for quota in quotas)
        return Reservation(counted=counted, seeded=seeded.decode())

    def _counter(self, key: str, window: str) -> str:
        return self._link.key("window", window, key)
