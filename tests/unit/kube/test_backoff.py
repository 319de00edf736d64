from deplite.protocol.backoff import Backoff


def test_waits_grow_with_jitter_up_to_the_most() -> None:
    backoff = Backoff(first=1, most=8)
    waits = [backoff.next() for _ in range(6)]
    for wait, ceiling in zip(waits, (1, 2, 4, 8, 8, 8), strict=True):
        assert ceiling / 2 <= wait <= ceiling
    backoff.reset()
    assert backoff.next() <= 1
