"""The published values of the fixed-budget study, and this run beside them.

Source: the fixed-budget study of a 4.26-million-parameter Llama-style model on TinyStories,
arXiv 2606.13370 (2026). Everything the paper does not state (shape, batch, learning rate, corpus
subset, thresholds) is deduced or chosen by us, so a row says whether agreement means anything:
"assumed" and "fitted" rows agree because we made them agree, only "predicted" rows could have
failed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from stats.measures import wide
from stats.wording import count, million, number, p_value, span

BUDGET_TOKENS = 20_000_768
SEEDS = 6
INTERVALS = 21
LOSS_AT_START = 8.3552
LOSS_NEAR_4_MILLION = 2.7996
LOSS_AT_END = 3.9010
TURN_TOKENS = 4_000_000


@dataclass(frozen=True)
class PublishedRow:
    quantity: str
    published: str
    this_run: str
    kind: str
    note: str


def compare(
    telemetry: pd.DataFrame, anova: pd.DataFrame, study: Mapping[str, Any]
) -> tuple[pd.DataFrame, str | None]:
    """One condition's values beside the published ones.

    Returns
    -------
    table : DataFrame
        quantity, published, this_run, kind ("assumed", "fitted", "predicted"), note.
    warning : str or None
        Why the two cannot be compared, when the budget differs.
    """
    loss = wide(telemetry, "val_loss")
    mean = loss.mean(axis=0)
    tokens = telemetry.groupby("interval")["tokens_seen"].first().to_numpy()
    near = int(np.abs(tokens - TURN_TOKENS).argmin())
    rows = [
        *_plan_rows(loss, int(tokens[-1]), study),
        *_loss_rows(mean, tokens, near),
        *_dynamics_rows(telemetry, loss),
        *_anova_rows(anova),
    ]
    warning = None
    if int(tokens[-1]) != BUDGET_TOKENS:
        warning = (
            f"This run saw {int(tokens[-1]):,} tokens a seed, the published study "
            f"{BUDGET_TOKENS:,}: their losses are not comparable."
        )
    return pd.DataFrame(rows), warning


def _plan_rows(
    loss: np.ndarray[Any, Any], tokens: int, study: Mapping[str, Any]
) -> list[PublishedRow]:
    n, k = loss.shape
    parameters = study.get("parameters")
    return [
        PublishedRow(
            "parameters",
            "4.26 million",
            f"{parameters:,}" if isinstance(parameters, int) else "not recorded",
            "assumed",
            "the shape was deduced so as to give this count",
        ),
        PublishedRow(
            "tokens a seed",
            f"{BUDGET_TOKENS:,}",
            f"{tokens:,}",
            "assumed",
            "4,096 tokens a step were chosen so as to stop here",
        ),
        PublishedRow("seeds", str(SEEDS), str(n), "assumed", "the plan of the study"),
        PublishedRow(
            "measuring intervals", str(INTERVALS), str(k), "assumed", "the plan of the study"
        ),
        PublishedRow(
            "observations", str(SEEDS * INTERVALS), str(n * k), "assumed", "seeds x intervals"
        ),
    ]


def _loss_rows(
    mean: np.ndarray[Any, Any], tokens: np.ndarray[Any, Any], near: int
) -> list[PublishedRow]:
    best = int(mean.argmin())
    fitted = "train_tokens was chosen so as to come near this value"
    return [
        PublishedRow(
            "mean validation loss at the start",
            f"{LOSS_AT_START:.4f}",
            f"{mean[0]:.4f}",
            "assumed",
            "follows from the assumed vocabulary: ln 4096 = 8.3178 and a small excess",
        ),
        PublishedRow(
            "mean validation loss near 4 million tokens",
            f"{LOSS_NEAR_4_MILLION:.4f}",
            f"{mean[near]:.4f} at {million(tokens[near])}",
            "fitted",
            fitted,
        ),
        PublishedRow(
            "mean validation loss at the end",
            f"{LOSS_AT_END:.4f}",
            f"{mean[-1]:.4f}",
            "fitted",
            fitted,
        ),
        PublishedRow(
            "lowest mean validation loss",
            "near 4 million tokens",
            f"{mean[best]:.4f} at {million(tokens[best])}",
            "fitted",
            "the place of the turn moves with train_tokens",
        ),
    ]


def _dynamics_rows(telemetry: pd.DataFrame, loss: np.ndarray[Any, Any]) -> list[PublishedRow]:
    slides = telemetry.groupby("seed")["backslide"].sum()
    phases = int(telemetry.groupby("seed")["stable_phase"].any().sum())
    sd = f"{number(loss[:, -1].std(ddof=1))} nats" if len(loss) > 1 else "one seed"
    note = "the published thresholds are unknown; ours are in the settings"
    return [
        PublishedRow(
            "backslides",
            "recurrent",
            f"{span(slides.min(), slides.max())} a seed",
            "predicted",
            note,
        ),
        PublishedRow(
            "stable phase",
            "none",
            "none" if phases == 0 else f"in {count(phases, 'seed')}",
            "predicted",
            note,
        ),
        PublishedRow(
            "SD between seeds at the end", "not published", sd, "predicted", "nothing to compare"
        ),
    ]


def _anova_rows(anova: pd.DataFrame) -> list[PublishedRow]:
    rows = []
    names = {"val_loss": "loss", "val_perplexity": "perplexity", "volatility": "volatility"}
    for dv, name in names.items():
        found = anova[(anova["dv"] == dv) & anova["with_interval_0"]] if len(anova) else anova
        this = "not computed"
        if len(found) and np.isfinite(found["p_GG_corr"].iloc[0]):
            this = f"{p_value(float(found['p_GG_corr'].iloc[0]))} (Greenhouse-Geisser)"
        rows.append(
            PublishedRow(
                f"ANOVA of {name} over intervals",
                "significant",
                this,
                "predicted",
                "F, degrees of freedom and effect size are not published",
            )
        )
    return rows
