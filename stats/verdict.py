"""What the study found, in plain sentences, each right for the degenerate cases too.

A sentence names its numbers with their units and says what they mean; the statistic behind it
follows apart, as APA prints it, with how a choice was made that would flatter the result if it
were made on the same data.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stats.anova_verdict import ALPHA, anova_findings
from stats.descriptives import MeanInterval, rise_from_best, t_interval
from stats.document import Finding
from stats.effects import AnovaResults
from stats.measures import MeasureSettings, best_interval, diminishing_interval, wide
from stats.sensitivity import mean_gain
from stats.wording import count, joined, million, p_value, span

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def verdict(
    telemetry: pd.DataFrame,
    seeds: pd.DataFrame,
    anova: AnovaResults,
    settings: MeasureSettings,
    best: pd.DataFrame | None = None,
) -> list[Finding]:
    """Findings about one condition, most important first.

    Parameters
    ----------
    telemetry : DataFrame
        One condition of `stats.measures.add_measures`.
    seeds : DataFrame
        `stats.effects.seed_table` of it.
    anova : AnovaResults
    settings : MeasureSettings
    best : DataFrame, optional
        `stats.best.best_contrasts` of it, whose p_flip says whether there is a rise; without it
        (fewer than three seeds) the t interval does.
    """
    loss = wide(telemetry, "val_loss")
    p_flip = None if best is None else float(best["p_flip"].iloc[-1])
    first_run = telemetry[telemetry["seed"] == telemetry["seed"].iloc[0]]
    tokens = first_run["tokens_seen"].to_numpy()
    epochs = first_run["epoch"].to_numpy(dtype=np.float64)
    return [
        _plan(loss, tokens),
        _best(loss, tokens, epochs, seeds),
        _after_best(loss, tokens, settings, p_flip),
        _backslides(loss, seeds),
        _stability(loss, telemetry, settings),
        _returns(telemetry, tokens, settings),
        _spread(loss),
        *_gap(telemetry, settings),
        *anova_findings(anova, len(loss)),
    ]


def _plan(loss: FloatArray, tokens: IntArray) -> Finding:
    n, k = loss.shape
    return Finding(
        f"{count(n, 'seed')} x {count(k, 'measuring interval')} = {count(n * k, 'observation')}, "
        f"{tokens[-1]:,} tokens a seed."
    )


def _best(loss: FloatArray, tokens: IntArray, epochs: FloatArray, seeds: pd.DataFrame) -> Finding:
    mean = loss.mean(axis=0)
    best = int(best_interval(mean))
    epoch = f", epoch {epochs[best]:.1f}" if np.isfinite(epochs[best]) else ""
    of = "The mean validation loss" if len(loss) > 1 else "The validation loss"
    text = (
        f"{of} is lowest at interval {best} ({million(tokens[best])} tokens{epoch}): "
        f"{mean[best]:.4f} nats a token, perplexity {np.exp(loss[:, best]).mean():.2f}."
    )
    if len(loss) == 1:
        return Finding(text)
    sd = f"M = {mean[best]:.4f}, SD = {loss[:, best].std(ddof=1):.4f}, n = {len(loss)}."
    at = Counter(int(i) for i in seeds["best_interval"])
    if len(at) == 1:
        where = f"interval {next(iter(at))}"
        return Finding(f"{text} Every seed has its own best at {where}.", sd)
    places = joined(f"{i} ({count(at[i], 'seed')})" for i in sorted(at))
    return Finding(f"{text} The seeds' own best intervals are {places}.", sd)


def _after_best(
    loss: FloatArray, tokens: IntArray, settings: MeasureSettings, p_flip: float | None
) -> Finding:
    mean = loss.mean(axis=0)
    best = int(best_interval(mean))
    last = len(mean) - 1
    if best == last:
        return Finding(
            "The best interval is the last one: no tokens were wasted, and the budget ended "
            "while the loss was still at its lowest."
        )
    after = tokens[-1] - tokens[best]
    share = 100 * after / tokens[-1]
    text = (
        f"The {million(after)} tokens after it ({share:.0f} % of the budget) bought nothing: the "
        f"loss ends at {mean[-1]:.4f}."
    )
    rise, chosen = rise_from_best(loss)
    ci = t_interval(rise, settings.confidence)
    if ci.n < 2:
        return Finding(
            f"{text} That is {ci.mean:.4f} above the best; one seed gives no interval for it."
        )
    how = (
        "the same for each"
        if len(set(chosen.tolist())) == 1
        else f"intervals {joined(sorted(set(chosen.tolist())))}"
    )
    flips = "" if p_flip is None else f"; sign flips that choose again, {p_value(p_flip)}"
    found = ci.mean > 0 and (ci.low > 0 if p_flip is None else p_flip < ALPHA)
    return Finding(
        f"{text} {_rise(ci, found, disagreement=np.ptp(rise) > 1e-12 * np.abs(loss).max())}",
        f"{_interval_apa('rise', ci, settings)}; best interval of a seed chosen by the other "
        f"seeds: {how}{flips}.",
    )


def _rise(ci: MeanInterval, found: bool, *, disagreement: bool) -> str:
    mean = ci.mean
    if not disagreement:
        return (
            f"From best to last every seed changes by {mean:+.4f} nats, the same for all: there is "
            "no disagreement to judge it by (are the seeds copies of one run?)."
        )
    if found:
        return (
            f"From best to last it rises by {mean:.4f} nats, more than the disagreement of the "
            "seeds explains."
        )
    if ci.low > 0:
        least = 2.0 ** (1 - ci.n)  # after a steep fall, docs/contrasts.md
        few = (
            f": with {count(ci.n, 'seed')} their p is {least:.3g} at best" if least >= ALPHA else ""
        )
        return (
            f"From the best, as the other seeds choose it, to the last interval it rises by "
            f"{mean:.4f} nats. The t interval lies above 0, but sign flips that choose again do "
            f"not confirm it{few}."
        )
    verb = "falls" if mean < 0 else "rises"
    return (
        f"From the best, as the other seeds choose it, to the last interval it {verb} by "
        f"{abs(mean):.4f} nats; the seeds disagree too much to call that a rise."
    )


def _interval_apa(what: str, ci: MeanInterval, settings: MeasureSettings) -> str:
    """ "mean rise = 0.6182 nats, 95 % CI [0.5419, 0.6945], t interval, df = 5"."""
    return (
        f"Mean {what} = {ci.mean:.4f} nats, {100 * settings.confidence:g} % CI "
        f"[{ci.low:.4f}, {ci.high:.4f}], t interval, df = {ci.n - 1}"
    )


def _backslides(loss: FloatArray, seeds: pd.DataFrame) -> Finding:
    slides = seeds["backslides"]
    total, changes = int(slides.sum()), loss.shape[1] - 1
    if changes == 0:
        return Finding("Backslides cannot be judged: there is a single interval.")
    if total == 0:
        return Finding(
            f"No seed backslides in its {count(changes, 'change')} from interval to interval."
        )
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
    return Finding(
        f"{who} {verb}, {times}; the largest rise is "
        f"{worst['largest_backslide']:.4f} nats (seed {int(worst['seed'])}){tail}"
    )


def _stability(loss: FloatArray, telemetry: pd.DataFrame, settings: MeasureSettings) -> Finding:
    needed = settings.first_volatility + settings.stable_run
    if loss.shape[1] < needed:
        return Finding(
            f"A stable phase cannot be judged: it takes {needed} intervals to see one, and there "
            f"are {loss.shape[1]}."
        )
    rule = (
        f"{settings.stable_run} intervals in a row with volatility below "
        f"{100 * settings.stable_volatility:g} % of the loss and no backslide or spike"
    )
    phase = wide(telemetry, "stable_phase") > 0
    having = int(phase.any(axis=1).sum())
    if having == 0:
        return Finding(f"There is no stable phase in any seed ({rule}).")
    firsts = [int(row.argmax()) for row in phase if row.any()]
    lasting = int(phase[:, -1].sum())
    who = (
        "Every seed has"
        if having == len(loss)
        else f"{having} of {len(loss)} seeds {'has' if having == 1 else 'have'}"
    )
    end = "it lasts to the end in each" if lasting == having else f"{lasting} of them keep it"
    end = f"{end} of them" if lasting == having and having > 1 else end
    if lasting == 0:
        end = "none keeps it to the end"
    elif lasting < having:
        end += " to the end"
    return Finding(
        f"{who} a stable phase ({rule}), from interval {span(min(firsts), max(firsts))} on; {end}."
    )


def _returns(telemetry: pd.DataFrame, tokens: IntArray, settings: MeasureSettings) -> Finding:
    first, for_good = diminishing_interval(mean_gain(telemetry), settings.gain_threshold)
    rule = f"{settings.gain_threshold:g} nats a million tokens"
    if first is None:
        return Finding(f"Returns have not diminished: every interval still gains at least {rule}.")
    text = (
        f"Returns diminish at interval {first} ({million(tokens[first])} tokens): there the best "
        f"loss so far falls by less than {rule} for the first time"
    )
    if for_good == first:
        return Finding(f"{text}, and from there on.")
    if for_good is None:
        return Finding(f"{text}, but not for good: the last interval gains more again.")
    return Finding(f"{text}, and for good from interval {for_good}.")


def _spread(loss: FloatArray) -> Finding:
    if len(loss) < 2:
        return Finding("With one seed the variability between seeds is unknown.")
    sd, mean = loss.std(axis=0, ddof=1), loss.mean(axis=0)
    best, most, last = int(best_interval(mean)), int(sd.argmax()), loss.shape[1] - 1
    places = [f"{_sd(sd, mean, last)} at the last interval"]
    if best != last:
        places.insert(0, f"{_sd(sd, mean, best)} at the best interval")
    if most not in (best, last):
        places.append(f"{_sd(sd, mean, most)} at interval {most}, where it is largest")
    return Finding(f"Between seeds the SD of the loss is {joined(places)}.")


def _sd(sd: FloatArray, mean: FloatArray, interval: int) -> str:
    share = 100 * sd[interval] / mean[interval]
    return f"{sd[interval]:.4f} nats ({share:.2f} % of the mean)"


def _gap(telemetry: pd.DataFrame, settings: MeasureSettings) -> list[Finding]:
    gaps = wide(telemetry, "generalisation_gap")
    gap = gaps.mean(axis=0)
    best = int(best_interval(wide(telemetry, "val_loss").mean(axis=0)))
    if not np.isfinite(gap[[best, -1]]).all():
        return []
    ci = t_interval(gaps[:, -1], settings.confidence)
    apa_text = f"{_interval_apa('gap at the last interval', ci, settings)}." if ci.n > 1 else ""
    if best == len(gap) - 1:
        side = "above" if gap[-1] > 0 else "below"
        return [
            Finding(
                f"At the end the validation loss lies {abs(gap[-1]):.4f} nats {side} that of the "
                "training sample.",
                apa_text,
            )
        ]
    return [
        Finding(
            "The generalisation gap (validation minus training sample) goes from "
            f"{gap[best]:.4f} nats at the best interval to {gap[-1]:.4f} at the last.",
            apa_text,
        )
    ]
