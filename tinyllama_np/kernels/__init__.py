"""Numba twins of `tinyllama_np.ops`, used through `tinyllama_np.backend` alone."""
