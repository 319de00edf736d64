"""What an owner changes at one of two apiservers amid many runs, the other one goes by at once.

How soon is printed; the full rows demand the second that is promised.
"""

import asyncio
import time
from datetime import datetime

import pytest

from tests.faults.caller import Caller
from tests.faults.fleet import Fleet
from tests.faults.heard import heard
from tests.faults.knocking import REFUSED, Knock, Knocking, says
from tests.faults.ledger import Ledger
from tests.faults.pair import Pair

_SIZES = pytest.mark.parametrize(("runs", "within"), [(60, None), pytest.param(200, 1.0, marks=pytest.mark.full)])
_OVERLAP = 8
"""Seconds."""
_PER_DAY = 3


@_SIZES
async def test_f36_a_revoked_token_is_refused_by_both(
    runs: int, within: float | None, pair: Pair, pack: Fleet, ledger: Ledger
) -> None:
    knocking = await _begun(pair, pack)
    revoked_at, _ = await knocking.amid(runs, lambda: pair.ask("DELETE", f"/api-tokens/{knocking.caller.token_id}"))
    await knocking.until(_refused)
    late = knocking.late(revoked_at, _accepted, "a token is revoked")
    assert all(_refused(knock) for knock in await knocking.many(40))
    await _well(knocking, ledger, late, within)


@_SIZES
async def test_f36_the_old_secret_of_a_rotated_token_is_refused_by_both(
    runs: int, within: float | None, pair: Pair, pack: Fleet, ledger: Ledger
) -> None:
    knocking = await _begun(pair, pack)
    rotated_at, made = await knocking.amid(
        runs, lambda: pair.ask("POST", f"/api-tokens/{knocking.caller.token_id}/rotate")
    )
    await knocking.until(_refused)
    late = knocking.late(rotated_at, _accepted, "a token is rotated")
    assert all(_refused(knock) for knock in await knocking.many(20))
    assert all(knock.accepted for knock in await knocking.many(20, made["plainToken"]))
    await _well(knocking, ledger, late, within)


@_SIZES
async def test_f36_both_secrets_of_a_rotated_token_are_good_until_the_overlap_ends(
    runs: int, within: float | None, pair: Pair, pack: Fleet, ledger: Ledger
) -> None:
    knocking = await _begun(pair, pack)
    overlap = {"overlapSeconds": _OVERLAP}
    _, made = await knocking.amid(
        runs, lambda: pair.ask("POST", f"/api-tokens/{knocking.caller.token_id}/rotate", overlap)
    )
    good_until = datetime.fromisoformat(made["previous"]["goodUntil"]).timestamp()
    while time.time() < good_until:
        assert all(knock.accepted for knock in await knocking.many(2, made["plainToken"]))
        await knocking.many(2)
        await asyncio.sleep(0.25)
    early = [knock for knock in knocking.knocks if knock.answered_at < good_until]
    assert all(knock.accepted for knock in early)
    await knocking.until(_refused)
    late = knocking.late(good_until, _accepted, "the overlap of a rotated token ends")
    assert all(_refused(knock) for knock in await knocking.many(20))
    assert all(knock.accepted for knock in await knocking.many(20, made["plainToken"]))
    await _well(knocking, ledger, late, within)


@_SIZES
async def test_f36_a_trigger_that_is_suspended_fires_at_neither(
    runs: int, within: float | None, pair: Pair, pack: Fleet, ledger: Ledger
) -> None:
    knocking = await _begun(pair, pack)
    suspended = says("trigger_suspended")
    suspended_at, _ = await knocking.amid(runs, lambda: _suspend(pair, knocking, True))
    await knocking.until(suspended)
    late = knocking.late(suspended_at, _accepted, "a trigger is suspended")
    assert all(suspended(knock) for knock in await knocking.many(40))
    await _suspend(pair, knocking, False)
    resumed_at = time.time()
    await knocking.until(_accepted)
    later = knocking.late(resumed_at, suspended, "a trigger is resumed")
    assert all(knock.accepted for knock in await knocking.many(10))
    await _well(knocking, ledger, max(late, later), within)


@_SIZES
async def test_f36_a_changed_limit_is_kept_by_both(
    runs: int, within: float | None, pair: Pair, pack: Fleet, ledger: Ledger
) -> None:
    knocking = await _begun(pair, pack)
    limited = says("rate_limited")
    limited_at, _ = await knocking.amid(runs, lambda: _limit(pair, pack, _PER_DAY))
    await knocking.until(limited)
    accepted = [knock for knock in knocking.knocks if knock.accepted and knock.asked_at > limited_at]
    print(f"{len(accepted)} runs were accepted that were asked for after a limit of {_PER_DAY} a day was set")
    late = knocking.late(limited_at, _accepted, "a workflow is limited")
    assert all(limited(knock) for knock in await knocking.many(40))
    await _limit(pair, pack, None)
    freed_at = time.time()
    await knocking.until(_accepted)
    later = knocking.late(freed_at, limited, "the limit is taken away")
    assert all(knock.accepted for knock in await knocking.many(10))
    await _well(knocking, ledger, max(late, later), within)


async def _begun(pair: Pair, pack: Fleet) -> Knocking:
    return Knocking(await Caller.for_agent(pair, await pack.add()), pack)


async def _suspend(pair: Pair, knocking: Knocking, suspended: bool) -> None:
    await _change(pair, f"/triggers/{knocking.caller.trigger}", {"suspended": suspended})


async def _limit(pair: Pair, pack: Fleet, per_day: int | None) -> None:
    agent = pack.agents[0].agent_id
    await _change(pair, f"/agents/{agent}/workflows/ledger/rate-limit", {"perDay": per_day})


async def _change(pair: Pair, path: str, body: object) -> None:
    """As the owner, outside of the organization's paths."""
    async with pair.owner() as client:
        answer = await heard(lambda: client.patch(pair.url + path, json=body))
    assert answer.is_success, answer.text


async def _well(knocking: Knocking, ledger: Ledger, late: float, within: float | None) -> None:
    assert within is None or late <= within
    await knocking.settle(ledger)


def _accepted(knock: Knock) -> bool:
    return knock.accepted


def _refused(knock: Knock) -> bool:
    return knock.status in REFUSED
