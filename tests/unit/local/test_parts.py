"""What `deplite up` passes on to the parts that it starts."""

from deplite.local.parts import _LIMITS
from deplite_apiserver.settings import _PLAIN

BOUNDS = ("lost_", "max_", "log_bytes", "log_burst", "log_requests")


def test_every_bound_of_the_apiserver_can_be_set_for_it() -> None:
    assert set(_LIMITS) == {variable for field, variable in _PLAIN.items() if field.startswith(BOUNDS)}
