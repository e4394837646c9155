"""Tables that answer questions, each made if it can be and otherwise with the reason why not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Answers:
    """`tables` by name, those that could be made; `refusals` say why others could not."""

    tables: dict[str, pd.DataFrame]
    refusals: tuple[str, ...]


def answers(makers: Mapping[str, tuple[str, Callable[[], pd.DataFrame]]]) -> Answers:
    """Make every table of `makers`, each named with words for it: "No <words>: <why>."."""
    tables, refusals = {}, []
    for name, (words, make) in makers.items():
        try:
            tables[name] = make()
        except ValueError as error:
            refusals.append(f"No {words}: {error}.")
    return Answers(tables, tuple(refusals))


def with_and_without_0(
    telemetry: pd.DataFrame, make: Callable[[pd.DataFrame], pd.DataFrame]
) -> pd.DataFrame:
    """Interval 0, an untrained model, is most of the variance; with two intervals it stays."""
    pieces = [make(telemetry).assign(with_interval_0=True)]
    if telemetry["interval"].nunique() > 2:
        trained = telemetry[telemetry["interval"] > 0]
        pieces.append(make(trained).assign(with_interval_0=False))
    table = pd.concat(pieces, ignore_index=True)
    table.insert(0, "with_interval_0", table.pop("with_interval_0"))
    return table
