"""The fixed texts of the report: captions of figures and tables, the method and its traps."""

from __future__ import annotations

from collections.abc import Mapping

FIGURES: Mapping[str, tuple[str, str]] = {
    "loss": (
        "Validation loss.",
        "Thin lines are seeds, the strong one their mean, the band its t interval. Look for the "
        "turn: everything right of the marked interval was paid for without gain.",
    ),
    "perplexity": (
        "Perplexity, the exponential of the loss.",
        "The same turn; the exponential magnifies differences between seeds where the loss is "
        "high.",
    ),
    "generalisation_gap": (
        "Training and validation part company.",
        "Where the training sample goes on falling and validation rises, the model memorises its "
        "text. The gap below grows long before validation turns.",
    ),
    "backslides": (
        "Backslides.",
        "Each row is a seed; a coloured cell is an interval at which its loss rose, darker for "
        "more. Isolated cells are noise; an unbroken strip after the circle is overfitting.",
    ),
    "volatility": (
        "Rolling volatility.",
        "Below the dashed line an interval is quiet enough to be stable. The steep start is the "
        "fall of the loss itself, not noise: volatility does not tell a trend from a wobble.",
    ),
    "between_seeds": (
        "Spread between seeds.",
        "Above in nats, below relative to the mean. Seeds that drift apart late make the last "
        "checkpoint a poor summary.",
    ),
    "marginal_gain": (
        "What a million tokens still buys.",
        "Fall of the best mean loss so far, per million tokens, on a log axis. Below the dashed "
        "line returns have diminished.",
    ),
    "conditions": (
        "Conditions side by side.",
        "Mean validation loss of each condition with its t interval over seeds.",
    ),
}

PLANNING: Mapping[str, str] = {
    "stopping_held_out": "Stopping rules, each seed judged with the threshold that is cheapest for "
    "the others; means over seeds. Regret: nats lost against the seed's best checkpoint. Wasted: "
    "tokens trained after the checkpoint kept. Cost: regret plus the price of the tokens spent.",
    "turn": "Forecasts of the turn from the first part of the intervals; errors in intervals, over "
    "the seeds that had not turned yet. A forecast is worth something only if it beats both "
    "baselines: the median turn of the other seeds, and now.",
    "variance": "Where the variance of the loss lies. Interval 0, an untrained model, is most of "
    "it: read the rows without.",
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
    "look surer than it is (9 to 16 % of true nulls rejected at .05 in simulation). The rise is "
    "therefore measured at the interval that the other seeds choose.",
    "p_sign_flip flips the sign of whole centred seeds: it needs no normal distribution and no "
    "exchangeable intervals. Its smallest possible value with six seeds is 1/32 = .031.",
    "Eta squared from six seeds is an optimistic description of these seeds, not an estimate for "
    "others.",
)
