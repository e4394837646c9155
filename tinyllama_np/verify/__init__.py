"""Train a stretch of a run again and compare it, byte for byte, with what the run has written."""
