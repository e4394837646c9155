"""The whole model: its forward pass and, mirrored below it, its backward pass.

    x = embed(tokens)
    for each layer:
        x = x + o_proj(attention(q_proj(n), k_proj(n), v_proj(n))),   n = rmsnorm(x)
        x = x + down_proj(swiglu(gate_proj(n), up_proj(n))),          n = rmsnorm(x)
    logits = head(rmsnorm(x))

Written once, over a table of operations (backend.py) and preallocated buffers (workspace.py). What
is a matter of the model and not of an operation stays visible here: the residual additions, where
gradients from several uses of one value meet, and the tied embedding's two contributions.
"""

from __future__ import annotations

import numpy as np

from tinyllama_np.backend import Backend
from tinyllama_np.config import ModelConfig
from tinyllama_np.ops import FloatArray, IntArray
from tinyllama_np.parameters import LayerTensors, ModelTensors
from tinyllama_np.workspace import LayerBuffers, Workspace


def forward_hidden(
    tokens: IntArray, weights: ModelTensors, config: ModelConfig, ops: Backend, ws: Workspace
) -> None:
    """Up to the last normalisation: fills `ws`, whose `final_normed` is what the head reads.

    tokens : ndarray of int32, shape (N,); whole sequences of ws.time tokens.
    """
    eps = config.rms_norm_eps
    streams = [*(buffers.x for buffers in ws.layers), ws.x_final]
    ops.embed(tokens, weights.embed_tokens, streams[0])
    for layer, buffers, x_next in zip(weights.layers, ws.layers, streams[1:], strict=True):
        _attention_sublayer(layer, config, ops, ws, buffers)
        _mlp_sublayer(layer, config, ops, buffers, x_next)
    ops.rmsnorm(ws.x_final, weights.norm, eps, ws.final_normed, ws.final_rstd)


def _attention_sublayer(
    layer: LayerTensors, config: ModelConfig, ops: Backend, ws: Workspace, buffers: LayerBuffers
) -> None:
    """buffers.mid = x + o_proj(attention(rmsnorm(x)))."""
    b, h, k = buffers, config.num_attention_heads, config.num_key_value_heads
    ops.rmsnorm(b.x, layer.input_layernorm, config.rms_norm_eps, b.x_normed, b.x_rstd)
    ops.linear(b.x_normed, layer.q_proj, b.q, False)
    ops.linear(b.x_normed, layer.k_proj, b.k, False)
    ops.linear(b.x_normed, layer.v_proj, b.v, False)
    q, key, value = ws.heads(b.q, h), ws.heads(b.k, k), ws.heads(b.v, k)
    ops.attention(q, key, value, ws.cos, ws.sin, ws.heads(b.attn_out, h), b.lse)
    np.copyto(b.mid, b.x)
    ops.linear(b.attn_out, layer.o_proj, b.mid, True)  # added to the residual stream


def _mlp_sublayer(
    layer: LayerTensors,
    config: ModelConfig,
    ops: Backend,
    buffers: LayerBuffers,
    x_next: FloatArray,
) -> None:
    """x_next = mid + down_proj(swiglu(rmsnorm(mid)))."""
    b = buffers
    eps = config.rms_norm_eps
    ops.rmsnorm(b.mid, layer.post_attention_layernorm, eps, b.mid_normed, b.mid_rstd)
    ops.linear(b.mid_normed, layer.gate_proj, b.gate, False)
    ops.linear(b.mid_normed, layer.up_proj, b.up, False)
    ops.swiglu(b.gate, b.up, b.hidden)
    np.copyto(x_next, b.mid)
    ops.linear(b.hidden, layer.down_proj, x_next, True)  # added to the residual stream


def losses_of(
    tokens: IntArray,
    targets: IntArray,
    weights: ModelTensors,
    config: ModelConfig,
    ops: Backend,
    ws: Workspace,
) -> FloatArray:
    """Loss of every token, shape (N,), in nats: a view of `ws.losses`."""
    forward_hidden(tokens, weights, config, ops, ws)
    ops.head_losses(ws.final_normed, weights.head, targets, ws.logits, ws.losses)
    return ws.losses


def add_gradients(
    tokens: IntArray,
    targets: IntArray,
    dloss: float,
    weights: ModelTensors,
    grads: ModelTensors,
    config: ModelConfig,
    ops: Backend,
    ws: Workspace,
) -> FloatArray:
    """Forward and backward pass of a micro-batch.

    Parameters
    ----------
    tokens, targets : ndarray of int32, shape (N,)
    dloss : float
        Gradient of the objective with respect to each token's loss: 1 / (tokens of the batch).
    grads : ModelTensors
        Added to. Of a tied model `grads.head` is `grads.embed_tokens`.

    Returns
    -------
    ndarray of shape (N,)
        The tokens' losses, a view of `ws.losses`.
    """
    forward_hidden(tokens, weights, config, ops, ws)

    # forward: losses = cross_entropy(final_normed @ head^T). A tied embedding gets its first
    # contribution here and its second at the very end.
    ops.head_loss(
        ws.final_normed,
        weights.head,
        targets,
        dloss,
        ws.logits,
        ws.losses,
        ws.dnormed,
        grads.head,
    )
    # forward: final_normed = rmsnorm(x_final). From here on ws.dx is the gradient of the residual
    # stream at the point the loop has come back to; the branches add to it.
    ws.dx.fill(0)
    ops.rmsnorm_backward(ws.dnormed, ws.x_final, weights.norm, ws.final_rstd, ws.dx, grads.norm)
    for layer, dlayer, buffers in zip(
        reversed(weights.layers), reversed(grads.layers), reversed(ws.layers), strict=True
    ):
        _mlp_backward(layer, dlayer, ops, ws, buffers)
        _attention_backward(layer, dlayer, config, ops, ws, buffers)
    # forward: x = embed_tokens[tokens]
    ops.embed_backward(tokens, ws.dx, grads.embed_tokens)
    return ws.losses


def _mlp_backward(
    layer: LayerTensors, dlayer: LayerTensors, ops: Backend, ws: Workspace, buffers: LayerBuffers
) -> None:
    """From the gradient of x_next to that of mid, in ws.dx."""
    b = buffers
    # forward: x_next = mid + hidden @ down_proj^T. Through the sum dx passes unchanged to mid.
    ops.linear_backward_input(ws.dx, layer.down_proj, ws.dhidden, False)
    ops.linear_backward_weight(ws.dx, b.hidden, dlayer.down_proj)
    # forward: hidden = swiglu(gate, up)
    ops.swiglu_backward(ws.dhidden, b.gate, b.up, ws.dgate, ws.dup)
    # forward: gate = mid_normed @ gate_proj^T, up = mid_normed @ up_proj^T: two uses, one sum
    ops.linear_backward_input(ws.dgate, layer.gate_proj, ws.dnormed, False)
    ops.linear_backward_input(ws.dup, layer.up_proj, ws.dnormed, True)
    ops.linear_backward_weight(ws.dgate, b.mid_normed, dlayer.gate_proj)
    ops.linear_backward_weight(ws.dup, b.mid_normed, dlayer.up_proj)
    # forward: mid_normed = rmsnorm(mid). Adds the branch's gradient to the stream's.
    ops.rmsnorm_backward(
        ws.dnormed,
        b.mid,
        layer.post_attention_layernorm,
        b.mid_rstd,
        ws.dx,
        dlayer.post_attention_layernorm,
    )


def _attention_backward(
    layer: LayerTensors,
    dlayer: LayerTensors,
    config: ModelConfig,
    ops: Backend,
    ws: Workspace,
    buffers: LayerBuffers,
) -> None:
    """From the gradient of mid to that of x, in ws.dx."""
    b, h, k = buffers, config.num_attention_heads, config.num_key_value_heads
    # forward: mid = x + attn_out @ o_proj^T
    ops.linear_backward_input(ws.dx, layer.o_proj, ws.dattn_out, False)
    ops.linear_backward_weight(ws.dx, b.attn_out, dlayer.o_proj)
    # forward: attn_out = attention(rope(q), rope(k), v)
    ops.attention_backward(
        ws.heads(ws.dattn_out, h),
        ws.heads(b.q, h),
        ws.heads(b.k, k),
        ws.heads(b.v, k),
        ws.heads(b.attn_out, h),
        b.lse,
        ws.cos,
        ws.sin,
        ws.heads(ws.dq, h),
        ws.heads(ws.dk, k),
        ws.heads(ws.dv, k),
    )
    # forward: q, k, v = x_normed @ q_proj^T, ...: three uses, one sum
    ops.linear_backward_input(ws.dq, layer.q_proj, ws.dnormed, False)
    ops.linear_backward_input(ws.dk, layer.k_proj, ws.dnormed, True)
    ops.linear_backward_input(ws.dv, layer.v_proj, ws.dnormed, True)
    ops.linear_backward_weight(ws.dq, b.x_normed, dlayer.q_proj)
    ops.linear_backward_weight(ws.dk, b.x_normed, dlayer.k_proj)
    ops.linear_backward_weight(ws.dv, b.x_normed, dlayer.v_proj)
    # forward: x_normed = rmsnorm(x). Adds the branch's gradient to the stream's.
    ops.rmsnorm_backward(
        ws.dnormed, b.x, layer.input_layernorm, b.x_rstd, ws.dx, dlayer.input_layernorm
    )
