"""How often to repeat, and what to keep of it: the median and its range."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple


class Repeats(NamedTuple):
    """Repeat at least `least` times, then until `seconds` are used up or `most` is reached."""

    least: int
    most: int
    seconds: float


@dataclass(frozen=True)
class Spread:
    """Several measurements of one quantity."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle value."""
        return statistics.median(self.values)

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest value."""
        return min(self.values), max(self.values)

    def rate(self, amount: float) -> Spread:
        """Seconds turned into `amount` a second."""
        return Spread(tuple(amount / seconds for seconds in self.values))

    def __add__(self, other: Spread) -> Spread:
        return Spread(self.values + other.values)


def time_alternating(repeats: Repeats, *functions: Callable[[], object]) -> list[Spread]:
    """Seconds of each function, called in turns so that a drift of the machine hits all alike.

    The first round is not counted: it touches the memory and wakes the processor up.
    """
    for function in functions:
        function()
    seconds: list[list[float]] = [[] for _ in functions]
    began = time.perf_counter()
    for count in range(repeats.most):
        if count >= repeats.least and time.perf_counter() - began >= repeats.seconds:
            break
        for values, function in zip(seconds, functions, strict=True):
            started = time.perf_counter()
            function()
            values.append(time.perf_counter() - started)
    return [Spread(tuple(values)) for values in seconds]


def roof_share(tokens_per_second: float, flops_per_token: float, roof_gflops: float) -> float:
    """The part of the machine's rate of products that training makes use of."""
    return tokens_per_second * flops_per_token / (roof_gflops * 1e9)
