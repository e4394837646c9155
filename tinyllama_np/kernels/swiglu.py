"""Twin of ops/swiglu.py. Shapes: N tokens, F intermediate size."""

from .simd import ONE, exp, kernel


@kernel
def swiglu(gate, up, out):
    """Out (N, F) <- silu(gate) * up, silu(g) = g sigmoid(g)."""
    f = gate.shape[1]
    for i in range(gate.shape[0]):
        gate_row = gate[i]
        up_row = up[i]
        out_row = out[i]
        for j in range(f):
            sigmoid = ONE / (ONE + exp(-gate_row[j]))
            out_row[j] = gate_row[j] * sigmoid * up_row[j]


@kernel
def swiglu_backward(dout, gate, up, dgate, dup):
    """Dgate, dup <-. silu'(g) = sigmoid(g) (1 + g (1 - sigmoid(g)))."""
    f = gate.shape[1]
    for i in range(gate.shape[0]):
        dout_row = dout[i]
        gate_row = gate[i]
        up_row = up[i]
        dgate_row = dgate[i]
        dup_row = dup[i]
        for j in range(f):
            g = gate_row[j]
            sigmoid = ONE / (ONE + exp(-g))
            dgate_row[j] = dout_row[j] * up_row[j] * sigmoid * (ONE + g * (ONE - sigmoid))
            dup_row[j] = dout_row[j] * g * sigmoid
