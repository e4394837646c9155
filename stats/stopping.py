"""When would a rule have stopped, what would it have saved, and what would it have cost?

Each rule of `stats.stopping_rules` is replayed on trajectories that were trained to the end, so its
answer can be compared with what lay ahead; its threshold is chosen by the other seeds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stats.matrix import Names, seed_matrix, token_matrix
from stats.stopping_rules import DEFAULT_RULES, StoppingRule

FloatArray = NDArray[np.float64]

# Nats a token per million tokens: the price at which `MeasureSettings.gain_threshold` says that
# returns have diminished. One number then says in both places what a million tokens must buy.
DEFAULT_PRICE = 0.01


def kept_checkpoint(loss: FloatArray, stop: int) -> int:
    """Position of the lowest loss of (K,) until the stop: the checkpoint that is kept."""
    return int(loss[: stop + 1].argmin())


def regret(loss: FloatArray, stop: int) -> float:
    """Loss of the checkpoint kept minus the lowest of the whole run (K,), nats; never negative."""
    return float(loss[kept_checkpoint(loss, stop)] - loss.min())


def replay(
    frame: pd.DataFrame,
    rules: Sequence[StoppingRule] = DEFAULT_RULES,
    names: Names | None = None,
) -> pd.DataFrame:
    """Every rule on every seed of one condition.

    Parameters
    ----------
    frame : DataFrame
        A row a (seed, interval) in any order, with tokens, validation loss and, for PQ, a training
        loss; its first interval may lack the training loss.
    rules : sequence of StoppingRule
    names : Names, optional
        The frame's columns.

    Returns
    -------
    DataFrame
        A row a (rule, seed): rule, setting (`GL(2)`), threshold, seed, stopped, stop_interval (the
        last one where the rule never stops), best_interval (the checkpoint kept: the lowest loss
        until the stop), tokens_spent, tokens_wasted (trained after the checkpoint kept), regret
        (its loss minus the seed's lowest over the whole run, nats).

    Raises
    ------
    ValueError
        No rules, a rule twice, or a frame that `stats.matrix.seed_matrix` refuses.
    """
    names = names or Names()
    if not rules:
        raise ValueError("rules is empty: give at least one StoppingRule")
    labels = [rule.label for rule in rules]
    if len(set(labels)) < len(labels):
        raise ValueError(f"rules has {max(labels, key=labels.count)} more than once")
    loss = seed_matrix(frame, names.loss, names, positive=True)
    tokens = token_matrix(frame, names)
    train = None
    if any(rule.kind == "PQ" for rule in rules):
        train = seed_matrix(frame, names.train, names, positive=True, skip=1).values
    values, intervals = loss.values, np.array(loss.intervals)
    each, last = np.arange(len(values)), values.shape[1] - 1
    pieces = []
    for rule in rules:
        fires = rule.fires(values, train)
        stopped = fires.any(axis=1)
        stop = np.where(stopped, fires.argmax(axis=1), last)
        kept = np.array([kept_checkpoint(own, at) for own, at in zip(values, stop, strict=True)])
        pieces.append(
            pd.DataFrame(
                {
                    "rule": rule.kind,
                    "setting": rule.label,
                    "threshold": float(rule.threshold),
                    "seed": loss.seeds,
                    "stopped": stopped,
                    "stop_interval": intervals[stop],
                    "best_interval": intervals[kept],
                    "tokens_spent": tokens[each, stop],
                    "tokens_wasted": tokens[each, stop] - tokens[each, kept],
                    "regret": [regret(own, at) for own, at in zip(values, stop, strict=True)],
                }
            )
        )
    table = pd.concat(pieces, ignore_index=True)
    if (tokens % 1 == 0).all():
        table = table.astype({"tokens_spent": "int64", "tokens_wasted": "int64"})
    return table


def cost(replayed: pd.DataFrame, price: float = DEFAULT_PRICE) -> pd.Series:
    """regret + price x tokens_spent / 10^6, nats a token: what is lost and what was paid for it.

    Raises
    ------
    ValueError
        `price` is negative or not finite.
    """
    if not (np.isfinite(price) and price >= 0):
        raise ValueError(f"price={price} must be 0 or more nats per million tokens")
    return replayed["regret"] + price * replayed["tokens_spent"] / 1e6


def by_setting(replayed: pd.DataFrame, price: float = DEFAULT_PRICE) -> pd.DataFrame:
    """Means over seeds of each row of `replay`: a description of these seeds, no advice.

    Returns
    -------
    DataFrame
        rule, setting, threshold, seeds, seeds_stopped, tokens_spent, tokens_wasted, regret (means),
        largest_regret, cost (mean).
    """
    with_cost = replayed.assign(cost=cost(replayed, price))
    return _means(with_cost, ["rule", "setting", "threshold"])


def choose_by_others(costs: FloatArray) -> tuple[NDArray[np.intp], FloatArray]:
    """For each seed the setting that is cheapest for the others, and its mean cost there.

    Parameters
    ----------
    costs : ndarray of shape (M, S)
        Of M settings on S seeds. Of equally cheap settings the first is taken.
    """
    seeds = range(costs.shape[1])
    means = np.stack([np.delete(costs, i, axis=1).mean(axis=1) for i in seeds])  # (S, M)
    chosen = means.argmin(axis=1)
    return chosen, means[seeds, chosen]


def leave_one_seed_out(replayed: pd.DataFrame, price: float = DEFAULT_PRICE) -> pd.DataFrame:
    """For each rule and seed: the threshold that is cheapest on the other seeds, scored on this.

    A threshold chosen and scored on the same seeds looks better than it is; chosen by the others
    it is judged on a seed it has not seen. The family "any" chooses among all settings at once.
    Of equally cheap settings the first in the order of `replay` is taken.

    Returns
    -------
    DataFrame
        A row a (rule, seed): rule, seed, setting (chosen), cost_of_others (its mean there), then
        the held-out seed's stopped, stop_interval, best_interval, tokens_spent, tokens_wasted,
        regret, cost.

    Raises
    ------
    ValueError
        Fewer than two seeds, or a bad price.
    """
    with_cost = replayed.assign(cost=cost(replayed, price))
    seeds = list(dict.fromkeys(with_cost["seed"]))
    if len(seeds) < 2:
        raise ValueError(f"{len(seeds)} seed(s): leaving one out takes at least 2")
    kinds = list(dict.fromkeys(with_cost["rule"]))
    pieces = []
    for family in [*kinds, "any"] if len(kinds) > 1 else kinds:
        rows_of = with_cost if family == "any" else with_cost[with_cost["rule"] == family]
        settings = list(dict.fromkeys(rows_of["setting"]))
        costs = rows_of.pivot(index="setting", columns="seed", values="cost").loc[settings, seeds]
        chosen, cost_of_others = choose_by_others(costs.to_numpy(dtype=np.float64))
        names = [settings[i] for i in chosen]
        rows = rows_of.set_index(["setting", "seed"]).loc[list(zip(names, seeds, strict=True))]
        rows = rows.drop(columns=["rule", "threshold"]).reset_index()
        rows.insert(0, "rule", family)
        rows.insert(3, "cost_of_others", cost_of_others)
        pieces.append(rows[["rule", "seed", "setting", *rows.columns[3:]]])
    return pd.concat(pieces, ignore_index=True)


def honest_means(replayed: pd.DataFrame, price: float = DEFAULT_PRICE) -> pd.DataFrame:
    """Means over held-out seeds of `leave_one_seed_out`, beside what choosing in hindsight says.

    Optimism is never negative: the setting that the others choose cannot be cheaper on the seed
    left out than the one that is cheapest on all, or it would be cheapest on all itself.

    Returns
    -------
    DataFrame
        rule, seeds, seeds_stopped, tokens_spent, tokens_wasted, regret (means), largest_regret,
        cost (mean), cost_in_hindsight (lowest mean cost of one setting over all seeds), optimism
        (how much lower that is), settings (as chosen).
    """
    held_out = leave_one_seed_out(replayed, price)
    table = _means(held_out, ["rule"])
    all_settings = by_setting(replayed, price)
    hindsight = all_settings.groupby("rule", sort=False)["cost"].min()
    hindsight["any"] = all_settings["cost"].min()
    table["cost_in_hindsight"] = table["rule"].map(hindsight)
    table["optimism"] = table["cost"] - table["cost_in_hindsight"]
    chosen = held_out.groupby("rule", sort=False)["setting"]
    table["settings"] = table["rule"].map(chosen.agg(lambda names: ", ".join(dict.fromkeys(names))))
    return table


def _means(rows: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    grouped = rows.groupby(keys, sort=False, dropna=False)
    return grouped.agg(
        seeds=("seed", "size"),
        seeds_stopped=("stopped", "sum"),
        tokens_spent=("tokens_spent", "mean"),
        tokens_wasted=("tokens_wasted", "mean"),
        regret=("regret", "mean"),
        largest_regret=("regret", "max"),
        cost=("cost", "mean"),
    ).reset_index()
