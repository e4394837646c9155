"""Statistics of a training study: reads the CSV of a run folder, writes tables, figures, a report.

>>> from stats import analyse, rm_anova
>>> print(analyse("runs/paper").text())  # doctest: +SKIP

Reading order, each file importing only from those above it: wording, writing, document, cells,
csv_files, run_checks, recorded, json_files, io, measures, sensitivity, robustness, descriptives,
matrix, stopping_rules, stopping, turn, variability, precision, answers, planning, flips,
sphericity, partition, anova, rank_tests, simulated, levels, autocorrelation, bootstrap,
effect_sizes, contrasts, best, inference, effects, anova_verdict, verdict, published, condition,
tables, html_style, html_page, markdown, latex, labels, plotting, heat_maps, figures,
figures_of_estimates, drawings, report_texts, sections, report, outputs, analysis, two_samples,
pairing, comparability, comparison_tables, comparison, comparison_verdict, comparison_report,
anova_text, options, cli.

This package knows the files of a run folder and nothing of the code that wrote them. Figures are in
`stats.figures`, `stats.heat_maps` and `stats.figures_of_estimates`, which are not imported here:
matplotlib is slow to load. Nor is anything else until it is asked for: pandas and SciPy take a
second.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stats.analysis import Analysis, analyse
    from stats.anova import rm_anova, sign_flip_test
    from stats.autocorrelation import residual_autocorrelation
    from stats.best import best_contrasts
    from stats.bootstrap import bca_interval
    from stats.comparison import Comparison, compare
    from stats.contrasts import (
        adjacent_contrasts,
        holm,
        planned_contrast,
        planned_contrasts,
        polynomial_trends,
    )
    from stats.csv_files import CsvFileError, read_long
    from stats.io import RunFolderError
    from stats.levels import simulated_levels, simulated_power
    from stats.matrix import Names
    from stats.measures import MeasureSettings
    from stats.precision import precision_curve, seeds_needed
    from stats.rank_tests import friedman_test, permutation_test
    from stats.robustness import robustness_sentences
    from stats.sensitivity import sensitivity_grids
    from stats.stopping import by_setting, honest_means, leave_one_seed_out, replay
    from stats.stopping_rules import StoppingRule
    from stats.turn import predict_turns, turn_errors
    from stats.variability import (
        between_seed_variability,
        intraclass_correlations,
        variance_components,
    )

__all__ = [
    "Analysis",
    "Comparison",
    "CsvFileError",
    "MeasureSettings",
    "Names",
    "RunFolderError",
    "StoppingRule",
    "adjacent_contrasts",
    "analyse",
    "bca_interval",
    "best_contrasts",
    "between_seed_variability",
    "by_setting",
    "compare",
    "friedman_test",
    "holm",
    "honest_means",
    "intraclass_correlations",
    "leave_one_seed_out",
    "permutation_test",
    "planned_contrast",
    "planned_contrasts",
    "polynomial_trends",
    "precision_curve",
    "predict_turns",
    "read_long",
    "replay",
    "residual_autocorrelation",
    "rm_anova",
    "robustness_sentences",
    "seeds_needed",
    "sensitivity_grids",
    "sign_flip_test",
    "simulated_levels",
    "simulated_power",
    "turn_errors",
    "variance_components",
]

_WHERE = {
    "Analysis": "stats.analysis",
    "analyse": "stats.analysis",
    "rm_anova": "stats.anova",
    "sign_flip_test": "stats.anova",
    "residual_autocorrelation": "stats.autocorrelation",
    "best_contrasts": "stats.best",
    "bca_interval": "stats.bootstrap",
    "Comparison": "stats.comparison",
    "compare": "stats.comparison",
    "adjacent_contrasts": "stats.contrasts",
    "holm": "stats.contrasts",
    "planned_contrast": "stats.contrasts",
    "planned_contrasts": "stats.contrasts",
    "polynomial_trends": "stats.contrasts",
    "CsvFileError": "stats.csv_files",
    "read_long": "stats.csv_files",
    "RunFolderError": "stats.io",
    "simulated_levels": "stats.levels",
    "simulated_power": "stats.levels",
    "Names": "stats.matrix",
    "MeasureSettings": "stats.measures",
    "precision_curve": "stats.precision",
    "seeds_needed": "stats.precision",
    "friedman_test": "stats.rank_tests",
    "permutation_test": "stats.rank_tests",
    "robustness_sentences": "stats.robustness",
    "sensitivity_grids": "stats.sensitivity",
    "by_setting": "stats.stopping",
    "honest_means": "stats.stopping",
    "leave_one_seed_out": "stats.stopping",
    "replay": "stats.stopping",
    "StoppingRule": "stats.stopping_rules",
    "predict_turns": "stats.turn",
    "turn_errors": "stats.turn",
    "between_seed_variability": "stats.variability",
    "intraclass_correlations": "stats.variability",
    "variance_components": "stats.variability",
}


def __getattr__(name: str) -> object:
    """What the package shows, loaded when it is first asked for."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_WHERE[name]), name)
    globals()[name] = value
    return value
