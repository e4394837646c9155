"""Twin of ops/embedding.py. Shapes: N tokens, V vocabulary, D hidden size."""

from .simd import kernel


@kernel
def embed(tokens, weight, out):
    """Out (N, D) <- rows of weight (V, D)."""
    for i in range(tokens.size):
        out[i] = weight[tokens[i]]


@kernel
def embed_backward(tokens, dout, dweight):
    """Dweight (V, D) += rows of dout (N, D), in the order of the tokens."""
    d = dout.shape[1]
    for i in range(tokens.size):
        dout_row = dout[i]
        dweight_row = dweight[tokens[i]]
        for j in range(d):
            dweight_row[j] += dout_row[j]
