"""The text to read: each operation's forward pass with its backward pass directly below.

NumPy only, in the dtype of its inputs. `out, cache = X_forward(...)` keeps what the backward pass
needs in a small named tuple; `X_backward(dout, cache)` returns one gradient for each array input.
Shape letters: B batch, T time, N = B T tokens, D hidden size, H query heads, K key/value heads,
E head size, F intermediate size, V vocabulary. Derivations: docs/ops/<the file's name>.md.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.integer[Any]]
