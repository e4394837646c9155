"""The main job: a fixed-budget training study, from nothing to the report.

    python examples/run_budget.py                     six small models on embedded stories, minutes
    python examples/run_budget.py --preset smoke      seconds, to see that everything runs
    python examples/run_budget.py --preset paper --corpus train.txt --valid valid.txt

It prints the verdict in words, a table of the intervals, and the path of the report. The same
command continues a study that was interrupted. `--help` lists every setting.
"""

import sys

from tinyllama_np.cli import main

if __name__ == "__main__":
    sys.exit(main(["study", *sys.argv[1:]]))
