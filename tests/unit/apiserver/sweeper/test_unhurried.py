"""A sweep over many jobs stops nobody else."""

import asyncio

from deplite_apiserver.sweeper.unhurried import AT_A_TIME, unhurried


async def test_others_get_a_turn_between_the_items_of_a_long_sweep() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    items = list(range(10 * AT_A_TIME + 1))
    assert [item async for item in unhurried(items)] == items
    task.cancel()
    assert turns >= 10
