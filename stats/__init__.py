"""Statistics of a training study: reads the CSV of a run folder, writes tables, figures, a report.

>>> from stats import analyse, rm_anova
>>> print(analyse("runs/paper").text())  # doctest: +SKIP

Reading order, each file importing only from those above it: wording, io, measures, descriptives,
anova, effects, verdict, published, tables, markup, plotting, figures, report, analysis, cli. This
package knows the files of a run folder and nothing of the code that wrote them.
"""

from stats.analysis import Analysis, analyse
from stats.anova import rm_anova, sign_flip_test
from stats.io import RunFolderError
from stats.measures import MeasureSettings

__all__ = [
    "Analysis",
    "MeasureSettings",
    "RunFolderError",
    "analyse",
    "rm_anova",
    "sign_flip_test",
]
