"""The fixed texts of the report: captions of figures and tables, the method and its traps."""

from __future__ import annotations

from collections.abc import Mapping

FIGURES: Mapping[str, tuple[str, str]] = {
    "loss": (
        "Validation loss.",
        "Thin lines are seeds, the strong one their mean, the band its t interval. The ring is the "
        "lowest mean; what is shaded was trained without gain.",
    ),
    "perplexity": (
        "Perplexity, the exponential of the loss.",
        "The exponential magnifies differences where the loss is high.",
    ),
    "generalisation_gap": (
        "Training sample and validation.",
        "Where the training sample goes on falling and validation rises, the model memorises its "
        "text. Below, the gap between the two.",
    ),
    "backslides": (
        "Backslides.",
        "A row is a seed, a coloured cell a rise of its loss, darker for more. Isolated cells are "
        "noise; an unbroken strip right of the ring is overfitting.",
    ),
    "volatility": (
        "Rolling volatility.",
        "Below the dashed line an interval is quiet enough to be stable. The steep start is the "
        "fall of the loss itself: volatility does not tell a trend from a wobble.",
    ),
    "between_seeds": (
        "Spread between seeds.",
        "Above in nats, with the chi-squared interval of the SD (bumps inside it mean nothing); "
        "below relative to the mean.",
    ),
    "marginal_gain": (
        "What a million tokens still buys.",
        "Fall of the best mean loss so far, on a log axis. Below the dashed line returns have "
        "diminished; open circles are intervals without a new best.",
    ),
    "conditions": (
        "Conditions side by side.",
        "Mean validation loss of each condition with its t interval over seeds.",
    ),
    "contrasts": (
        "Each interval against the one before.",
        "Thick: the t interval; thin: BCa. Filled: different from 0 after Holm's correction over "
        "all of them. An arrow gives the value of one too far out for the axis.",
    ),
    "residual_correlation": (
        "Does sphericity hold?",
        "How the seeds' departures from their means go together. If sphericity held, all cells off "
        "the diagonal would be alike; blocks are neighbours that move together.",
    ),
    "stopping": (
        "Stopping rules.",
        "Lower left is better: fewer tokens, less loss given away. Large marks have their "
        "threshold chosen by the other seeds; small ones are every threshold tried.",
    ),
    "precision": (
        "How many seeds.",
        "Simulated from this study. Solid: the mean; dashed: nine studies of ten stay below. An "
        "order of magnitude, no more.",
    ),
    "stable_phase": (
        "A stable phase, over its thresholds.",
        "How many seeds have one under each setting; the one in use is outlined. A verdict that "
        "stays the same around it does not hang on the threshold.",
    ),
    "backslides_by_tolerance": (
        "Backslides, over the tolerance.",
        "How many rises are left when small ones are not counted; the one in use is outlined.",
    ),
    "spikes_by_ratio": (
        "Interval spikes, over their ratio.",
        "How many rises by more than a fraction of the loss there are; the one in use is outlined.",
    ),
    "best_interval_by_definition": (
        "The best interval, by what best means.",
        "Of the mean or the median over seeds, and the earliest interval within so many nats of "
        "the lowest; the definition in use is outlined.",
    ),
    "step_spikes_by_rule": (
        "Step spikes, over their rule.",
        "How many steps rise so many SD above the steps before them; the rule in use is outlined.",
    ),
}

INFERENCE: Mapping[str, tuple[str, str]] = {
    "contrasts_best": (
        "From the first interval to the best, and from the best to the last. Read p flip: it "
        "chooses the best again in every pattern of signs.",
        "The interval and d are of the seeds' own differences, the best interval of each chosen by "
        "the others. t's own p rejects too often here: the choice was made on the same data.",
    ),
    "contrasts_trend": (
        "Orthogonal trends over the tokens seen, without interval 0, each against the seeds' own "
        "disagreement about it.",
        "linear < 0: the loss falls; quadratic > 0: it turns, or flattens.",
    ),
    "contrasts_adjacent": (
        "Each interval against the one before; p Holm corrects for all of them.",
        "low and high: t interval of one contrast named in advance.",
    ),
    "intervals": (
        "The mean of each interval: t interval, and BCa bootstrap beside it.",
        "The bootstrap's are too short at few seeds: of nominal 95 % intervals at six seeds they "
        "cover 82 to 86 %, t 91 to 96 % (simulated, docs/contrasts.md).",
    ),
    "effect_sizes": (
        "Generalised eta squared of the loss with its bootstrap interval (BCa).",
        "A description: at six seeds such an interval covers 64 to 70 % of what it should.",
    ),
    "autocorrelation": (
        "How alike neighbouring intervals are: lag-1 correlation of what is left when seed and "
        "interval means are out, and the autocorrelation rho that would give it.",
        "It says which row of the table of levels (docs/levels.md) is this study's.",
    ),
    "rank_tests": (
        "Friedman's test with Kendall's W, and permuting intervals within seeds: not to be trusted "
        "for a trajectory.",
        "",
    ),
}

INFERENCE_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "contrasts_best": (
        "contrast",
        "chosen",
        "estimate",
        "low",
        "high",
        "t",
        "df",
        "p",
        "p_flip",
        "hedges_gz",
        "dz_low",
        "dz_high",
    ),
    "contrasts_trend": (
        "contrast",
        "estimate",
        "low",
        "high",
        "t",
        "df",
        "p",
        "p_holm",
        "hedges_gz",
    ),
    "contrasts_adjacent": (
        "contrast",
        "estimate",
        "low",
        "high",
        "low_bca",
        "high_bca",
        "t",
        "p",
        "p_holm",
        "hedges_gz",
    ),
    "rank_tests": ("with_interval_0", "test", "W", "statistic", "p"),
}

PLANNING: Mapping[str, str] = {
    "stopping_held_out": "Stopping rules, each seed judged with the threshold that is cheapest for "
    "the others; means over seeds. Regret: nats lost against the seed's best checkpoint. Wasted: "
    "tokens trained after the checkpoint kept. Cost: regret plus the price of the tokens spent.",
    "turn": "Forecasts of the turn from the first part of the intervals; errors in intervals, over "
    "the seeds that had not turned yet. A forecast is worth something only if it beats both "
    "baselines: the median turn of the other seeds, and now.",
    "variance": "Where the variance of the loss lies. Interval 0 is an untrained model: read the "
    "rows without it.",
    "intraclass": "Targets seed: does a seed that is worse early stay worse (ICC(3,1))? Targets "
    "interval: do the seeds tell the same story?",
    "precision": "A study of so many seeds, simulated from this one: half-width of the interval of "
    "the rise from best to last (nats), and how often that interval would lie wholly above 0.",
}

METHOD = (
    "Each seed is a subject, each measuring interval a level of one within-subject factor. "
    "Sphericity is not assumed: the Greenhouse-Geisser epsilon leads, Huynh-Feldt and the lower "
    "bound stand beside it.",
    "With n seeds and k intervals Mauchly's test exists only if n - 1 >= k - 1. With 6 seeds and "
    "21 intervals the covariance has rank 5 at most, so W would be 0 for any population; no W and "
    "no p are printed, and nothing is decided by them. Epsilon cannot exceed 5 / 20 = .25 there.",
    "Interval 0 is an untrained model. It alone makes F enormous, so every analysis is given "
    "without it too; read that one.",
    "A significant F says that the intervals do not all have the same mean. It does not say that "
    "the loss turns, nor where.",
    "Volatility needs a full window: its first intervals are blank by definition, not missing, "
    "and its analysis starts where it is defined.",
    "The best interval is chosen from the same data it is judged by, which makes a rise after it "
    "look surer than it is (8 to 16 % of true nulls rejected at .05 in simulation). The rise is "
    "therefore measured at the interval that the other seeds choose, and judged by sign flips that "
    "repeat the choice (p_flip): at most 5.3 % in the same simulations.",
    "p_sign_flip flips the sign of whole centred seeds: it needs no normal distribution and no "
    "exchangeable intervals. Its smallest possible value with six seeds is 1/32 = .031.",
    "Eta squared from six seeds is an optimistic description of these seeds, not an estimate for "
    "others.",
)
