"""What the study found, in plain sentences, each right for the degenerate cases too.

A sentence names its numbers with their units and, where a choice made on the same data would
flatter the result, says how the choice was made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stats.descriptives import rise_from_best, t_interval
from stats.effects import DEPENDENT, AnovaResults, mean_gain
from stats.measures import MeasureSettings, best_interval, diminishing_interval, wide
from stats.wording import count, equals, joined, million, number, p_value, span

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
ALPHA = 0.05


def verdict(
    telemetry: pd.DataFrame, seeds: pd.DataFrame, anova: AnovaResults, settings: MeasureSettings
) -> list[str]:
    """Sentences about one condition, most important first.

    Parameters
    ----------
    telemetry : DataFrame
        One condition of `stats.measures.add_measures`.
    seeds : DataFrame
        `stats.effects.seed_table` of it.
    anova : AnovaResults
    settings : MeasureSettings
    """
    loss = wide(telemetry, "val_loss")
    first_run = telemetry[telemetry["seed"] == telemetry["seed"].iloc[0]]
    tokens = first_run["tokens_seen"].to_numpy()
    epochs = first_run["epoch"].to_numpy(dtype=np.float64)
    return [
        *_plan(loss, tokens),
        *_best(loss, tokens, epochs, seeds),
        *_after_best(loss, tokens, settings),
        *_backslides(loss, seeds),
        *_stability(loss, telemetry, settings),
        *_returns(telemetry, tokens, settings),
        *_spread(loss),
        *_gap(telemetry),
        *_anova(anova, len(loss)),
    ]


def _plan(loss: FloatArray, tokens: IntArray) -> list[str]:
    n, k = loss.shape
    return [
        f"{count(n, 'seed')} x {count(k, 'measuring interval')} = {count(n * k, 'observation')}, "
        f"{tokens[-1]:,} tokens a seed."
    ]


def _best(loss: FloatArray, tokens: IntArray, epochs: FloatArray, seeds: pd.DataFrame) -> list[str]:
    mean = loss.mean(axis=0)
    best = int(best_interval(mean))
    epoch = f", epoch {epochs[best]:.1f}" if np.isfinite(epochs[best]) else ""
    of = "The mean validation loss" if len(loss) > 1 else "The validation loss"
    text = (
        f"{of} is lowest at interval {best} ({million(tokens[best])} tokens{epoch}): "
        f"{mean[best]:.4f} nats a token, perplexity {np.exp(loss[:, best]).mean():.2f}."
    )
    if len(loss) == 1:
        return [text]
    at = Counter(int(i) for i in seeds["best_interval"])
    if len(at) == 1:
        where = f"interval {next(iter(at))}"
        return [f"{text} Every seed has its own best at {where}."]
    places = joined(f"{i} ({count(at[i], 'seed')})" for i in sorted(at))
    return [f"{text} The seeds' own best intervals are {places}."]


def _after_best(loss: FloatArray, tokens: IntArray, settings: MeasureSettings) -> list[str]:
    mean = loss.mean(axis=0)
    best = int(best_interval(mean))
    last = len(mean) - 1
    if best == last:
        return [
            "The best interval is the last one: no tokens were wasted, and the budget ended "
            "while the loss was still at its lowest."
        ]
    after = tokens[-1] - tokens[best]
    share = 100 * after / tokens[-1]
    text = (
        f"The {million(after)} tokens after it ({share:.0f} % of the budget) bought nothing: the "
        f"loss ends at {mean[-1]:.4f}."
    )
    rise, chosen = rise_from_best(loss)
    ci = t_interval(rise, settings.confidence)
    if ci.n < 2:
        return [f"{text} That is {ci.mean:.4f} above the best; one seed gives no interval for it."]
    level = f"{100 * settings.confidence:g} %"
    where = (
        "the same interval for each seed"
        if len(set(chosen.tolist())) == 1
        else f"intervals {joined(sorted(set(chosen.tolist())))}"
    )
    return [
        f"{text} From best to last it rises by {ci.mean:.4f} nats, {level} interval "
        f"[{ci.low:.4f}, {ci.high:.4f}] (t, {ci.n - 1} d.f.; best interval chosen by the other "
        f"seeds: {where})."
    ]


def _backslides(loss: FloatArray, seeds: pd.DataFrame) -> list[str]:
    slides = seeds["backslides"]
    total, changes = int(slides.sum()), loss.shape[1] - 1
    if total == 0:
        return [f"No seed backslides in its {count(changes, 'change')} from interval to interval."]
    worst = seeds.loc[seeds["largest_backslide"].idxmax()]
    some = int((slides > 0).sum())
    who = "Every seed" if some == len(seeds) else f"{some} of {len(seeds)} seeds"
    who = "The seed" if len(seeds) == 1 else who
    verb = "backslide" if who[0].isdigit() and some > 1 else "backslides"
    times = f"{span(slides.min(), slides.max())} times in {count(changes, 'change')}"
    if len(seeds) > 1:
        times += f" ({total} in all)"
    spikes = int(seeds["interval_spikes"].sum())
    spiked = f"{count(spikes, 'interval spike')}" if spikes else "none is an interval spike"
    tail = f"; {spiked}." if spikes == 0 else f"; {spiked} among them."
    return [
        f"{who} {verb}, {times}; the largest rise is "
        f"{worst['largest_backslide']:.4f} nats (seed {int(worst['seed'])}){tail}"
    ]


def _stability(loss: FloatArray, telemetry: pd.DataFrame, settings: MeasureSettings) -> list[str]:
    needed = settings.first_volatility + settings.stable_run
    if loss.shape[1] < needed:
        return [
            f"A stable phase cannot be judged: it takes {needed} intervals to see one, and there "
            f"are {loss.shape[1]}."
        ]
    rule = (
        f"{settings.stable_run} intervals in a row with volatility below "
        f"{100 * settings.stable_volatility:g} % of the loss and no backslide or spike"
    )
    phase = wide(telemetry, "stable_phase") > 0
    having = int(phase.any(axis=1).sum())
    if having == 0:
        return [f"There is no stable phase in any seed ({rule})."]
    firsts = [int(row.argmax()) for row in phase if row.any()]
    lasting = int(phase[:, -1].sum())
    who = "Every seed has" if having == len(loss) else f"{having} of {len(loss)} seeds have"
    end = "it lasts to the end in each" if lasting == having else f"{lasting} of them keep it"
    end = f"{end} of them" if lasting == having and having > 1 else end
    if lasting == 0:
        end = "none keeps it to the end"
    elif lasting < having:
        end += " to the end"
    return [
        f"{who} a stable phase ({rule}), from interval {span(min(firsts), max(firsts))} on; {end}."
    ]


def _returns(telemetry: pd.DataFrame, tokens: IntArray, settings: MeasureSettings) -> list[str]:
    first, for_good = diminishing_interval(mean_gain(telemetry), settings.gain_threshold)
    rule = f"{settings.gain_threshold:g} nats a million tokens"
    if first is None:
        return [f"Returns have not diminished: every interval still gains at least {rule}."]
    text = (
        f"Returns diminish at interval {first} ({million(tokens[first])} tokens): there the best "
        f"loss so far falls by less than {rule} for the first time"
    )
    if for_good == first:
        return [f"{text}, and from there on."]
    if for_good is None:
        return [f"{text}, but not for good: the last interval gains more again."]
    return [f"{text}, and for good from interval {for_good}."]


def _spread(loss: FloatArray) -> list[str]:
    if len(loss) < 2:
        return ["With one seed the variability between seeds is unknown."]
    sd, mean = loss.std(axis=0, ddof=1), loss.mean(axis=0)
    best, most, last = int(best_interval(mean)), int(sd.argmax()), loss.shape[1] - 1
    places = [f"{_sd(sd, mean, last)} at the last interval"]
    if best != last:
        places.insert(0, f"{_sd(sd, mean, best)} at the best interval")
    if most not in (best, last):
        places.append(f"{_sd(sd, mean, most)} at interval {most}, where it is largest")
    return [f"Between seeds the SD of the loss is {joined(places)}."]


def _sd(sd: FloatArray, mean: FloatArray, interval: int) -> str:
    share = 100 * sd[interval] / mean[interval]
    return f"{sd[interval]:.4f} nats ({share:.2f} % of the mean)"


def _gap(telemetry: pd.DataFrame) -> list[str]:
    gap = wide(telemetry, "generalisation_gap").mean(axis=0)
    best = int(best_interval(wide(telemetry, "val_loss").mean(axis=0)))
    if not np.isfinite(gap[[best, -1]]).all():
        return []
    if best == len(gap) - 1:
        side = "above" if gap[-1] > 0 else "below"
        return [
            f"At the end the validation loss lies {abs(gap[-1]):.4f} nats {side} that of the "
            "training sample."
        ]
    return [
        f"The generalisation gap (validation minus training sample) goes from {gap[best]:.4f} nats "
        f"at the best interval to {gap[-1]:.4f} at the last."
    ]


def _anova(anova: AnovaResults, n_seeds: int) -> list[str]:
    if n_seeds < 2:
        return [
            "No analysis of variance: with one seed nothing tells an effect of the interval "
            "from chance. Run at least two seeds, better six."
        ]
    sentences = list(anova.refusals)
    for dv, rows in anova.table.groupby("dv", sort=False) if len(anova.table) else []:
        parts = [_finding(row) for row in rows.to_dict("records")]
        sentences.append(f"{DEPENDENT[str(dv)].capitalize()} {'; '.join(parts)}.")
    return sentences


def _finding(row: Mapping[Hashable, Any]) -> str:
    first, last = str(row["intervals"]).split("..")
    verb = "differs" if row["p_GG_corr"] < ALPHA else "does not differ significantly"
    if row["with_interval_0"]:
        return f"{verb} between intervals {first} to {last}: {apa(row)}"
    return f"without interval 0 ({first} to {last}) it {verb}: {apa(row)}"


def apa(row: Mapping[Hashable, Any]) -> str:
    """As APA prints it, the degrees of freedom corrected by Greenhouse and Geisser's epsilon.

    "F(2.84, 14.19) = 766.72, p < .001, ε = .142, η²G = .987".
    """
    return (
        f"F({row['ddof1_GG']:.2f}, {row['ddof2_GG']:.2f}) = {number(row['F'], 2)}, "
        f"{p_value(row['p_GG_corr'])}, {equals('ε', row['eps'])}, "
        f"{equals('η²G', row['ng2'])}"
    )
