"""The curve of Ed25519 in a page of arithmetic (RFC 8032, section 5.1): the tests' own source of weak points."""

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
I = pow(2, (P - 1) // 4, P)  # noqa: E741 - the square root of -1, as the RFC calls it
Point = tuple[int, int]
NEUTRAL: Point = (0, 1)


def add(one: Point, other: Point) -> Point:
    """Return the sum of two points."""
    (x1, y1), (x2, y2) = one, other
    twist = D * x1 * x2 * y1 * y2
    x = (x1 * y2 + x2 * y1) * pow(1 + twist, -1, P) % P
    return x, (y1 * y2 + x1 * x2) * pow(1 - twist, -1, P) % P


def times(factor: int, point: Point) -> Point:
    """Return a multiple of a point."""
    found = NEUTRAL
    while factor:
        if factor & 1:
            found = add(found, point)
        point, factor = add(point, point), factor >> 1
    return found


def point_at(y: int) -> Point | None:
    """Return a point with this y, if the curve has one."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * I % P
    return (x, y) if x * x % P == square else None


def small_order() -> set[Point]:
    """Return the eight points that vanish when multiplied by eight."""
    y = 2
    while True:
        point = point_at(y)
        if point is not None and times(4 * L, point) != NEUTRAL:
            generator = times(L, point)  # of order exactly 8
            return {times(factor, generator) for factor in range(8)}
        y += 1


def encode(y: int, sign: int) -> bytes:
    """Return the 32 bytes of a point: y, and the lowest bit of x on top; y need not be below P."""
    return (y | sign << 255).to_bytes(32, "little")
