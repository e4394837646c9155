"""`python -m stats STUDY`."""

import os
import signal
import sys

INTERRUPTED = 130  # 128 + SIGINT, as shells count


def main() -> int:
    """The command's exit code; Ctrl-C ends it with one line, whatever it is at."""
    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # not ignored
    try:
        if ours:
            signal.signal(signal.SIGINT, _end_at_once)
        from stats import cli  # takes a second: its libraries are large

        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return cli.main()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


def _end_at_once(*_: object) -> None:
    """While libraries are loaded, which may swallow an exception; nothing is written yet."""
    os.write(2, b"interrupted\n")
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    sys.exit(main())
