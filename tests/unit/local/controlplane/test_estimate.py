"""What a build says of itself while it runs."""

import pytest

from deplite.local.controlplane.estimate import Estimate, is_package


@pytest.mark.parametrize(
    "line",
    ["unicode/utf8", "k8s.io/api/core/v1", "github.com/a_b/go-c.d~e/v2", "vendor/golang.org/x/crypto/cryptobyte"],
)
def test_an_import_path_is_a_package(line: str) -> None:
    assert is_package(line)


@pytest.mark.parametrize(
    "line",
    ["", "go: downloading k8s.io/api v0.36.2", "# k8s.io/api/core/v1", "x.go:3:4: undefined: y", "go: error: no"],
)
def test_anything_else_is_not(line: str) -> None:
    assert not is_package(line)


def test_modules_are_counted_while_they_are_downloaded() -> None:
    estimate = Estimate()
    assert estimate.fraction() == 0
    estimate.read_list(["go: downloading a v1", "a/b", "go: downloading c v2"])
    assert estimate.note(10) == "downloading modules, 2 so far"
    assert 0 < estimate.fraction() < 0.05
    assert estimate.seconds_left(10) is None


def test_the_time_left_follows_from_the_speed_so_far() -> None:
    estimate = Estimate()
    estimate.begin(2500, now=100)
    estimate.read_build(["a/b"] * 20)
    assert estimate.note(101) == "compiling, 20 of 2500 packages"
    estimate.read_build(["a/b"] * 1230)
    half = estimate.seconds_left(190)
    assert half is not None
    assert estimate.seconds_left(280) == pytest.approx(2 * half)
    assert "compiling, 1250 of 2500 packages, about 1 min" in estimate.note(190)


def test_the_bar_never_goes_back_and_ends_before_linking_does() -> None:
    estimate = Estimate()
    seen = [estimate.fraction()]
    for _ in range(300):
        estimate.read_list(["go: downloading a v1"])
        seen.append(estimate.fraction())
    estimate.begin(50, now=0)
    for _ in range(60):
        estimate.read_build(["a"])
        seen.append(estimate.fraction())
    assert seen == sorted(seen)
    assert seen[-1] < 1
    assert estimate.note(1) == "linking"
