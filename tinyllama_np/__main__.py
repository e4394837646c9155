"""`python -m tinyllama_np`: the command line of cli.py."""

import sys

from tinyllama_np.cli import main

if __name__ == "__main__":
    sys.exit(main())
