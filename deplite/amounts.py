"""Bytes as people read them."""

_UNITS = ("KiB", "MiB", "GiB", "TiB")


def spelled_bytes(count: int) -> str:
    """Return e.g. `512 bytes` or `1.4 MiB`."""
    if count < 1024:
        return f"{count} bytes" if count != 1 else "1 byte"
    amount = float(count)
    for unit in _UNITS:
        amount /= 1024
        if amount < 1024 or unit == _UNITS[-1]:
            return f"{amount:.1f} {unit}"
    raise AssertionError("unreachable")
