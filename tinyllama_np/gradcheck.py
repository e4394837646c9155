"""Finite differences: the judge of every gradient written by hand.

For a scalar function f of some arrays, (f(x + h e) - f(x - h e)) / 2h approaches the derivative
along the coordinate e with an error of order h^2; in float64, h = 1e-5 leaves about 1e-10 of it,
so a relative error above 1e-6 is a mistake in the backward pass and not in the arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from tinyllama_np.ops import FloatArray


def gradient_errors(
    function: Callable[[], float],
    arrays: Mapping[str, FloatArray],
    grads: Mapping[str, FloatArray],
    *,
    h: float = 1e-5,
    max_elements: int | None = None,
    rng: np.random.Generator | None = None,
) -> dict[str, float]:
    """Relative error of each gradient against central differences.

    Parameters
    ----------
    function : callable without arguments
        The scalar, computed from `arrays`, which are changed in place and put back.
    arrays, grads : mapping of str to ndarray of float64
        grads[name] is the gradient that is judged, shaped like arrays[name].
    h : float
        Half the difference's width.
    max_elements : int, optional
        Judge this many elements of each array, drawn by `rng`, instead of all.
    rng : numpy.random.Generator, optional
        Needed with `max_elements`.

    Returns
    -------
    dict of str to float
        |grad - numeric| / |numeric|, with Euclidean norms over the judged elements.

    Raises
    ------
    ValueError
        If an array is not float64 or a gradient has another shape.
    """
    errors = {}
    for name, array in arrays.items():
        if array.dtype != np.float64:
            raise ValueError(
                f"arrays[{name!r}] must be float64, got {array.dtype}: "
                "in float32 the differences themselves are wrong by percents"
            )
        if grads[name].shape != array.shape:
            raise ValueError(
                f"grads[{name!r}] has shape {grads[name].shape}, its array {array.shape}"
            )
        chosen = np.arange(array.size)
        if max_elements is not None and array.size > max_elements:
            if rng is None:
                raise ValueError("max_elements needs rng")
            chosen = np.sort(rng.choice(array.size, max_elements, replace=False))
        numeric = np.array([_derivative(function, array, int(i), h) for i in chosen])
        difference = grads[name].reshape(-1)[chosen] - numeric
        scale = np.linalg.norm(numeric)
        errors[name] = (
            float(np.linalg.norm(difference) / scale)
            if scale
            else float(np.linalg.norm(difference))
        )
    return errors


def _derivative(function: Callable[[], float], array: FloatArray, index: int, h: float) -> float:
    place = np.unravel_index(index, array.shape)
    kept = array[place]
    array[place] = kept + h
    above = function()
    array[place] = kept - h
    below = function()
    array[place] = kept
    return (above - below) / (2 * h)
