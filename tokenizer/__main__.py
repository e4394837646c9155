"""`python -m tokenizer`."""

import sys

from tokenizer.cli import main

if __name__ == "__main__":
    sys.exit(main())
