"""A batch over threads, and the library's calls on whole batches.

The batch is cut into micro-batches of a few sequences. Micro-batch i belongs to lane i mod
`lanes`; a lane takes its micro-batches through the model one after the other, in buffers of its
own, into a gradient buffer of its own, and the gradient buffers are then added up in the order of
the lanes. A thread carries whole lanes, so the result is the same for every number of threads: no
sum's order depends on who came first. The number of lanes is part of the configuration.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import cache
from typing import Any, TypeVar

import numpy as np
from threadpoolctl import ThreadpoolController

from tinyllama_np.backend import Backend, get_backend
from tinyllama_np.config import ModelConfig
from tinyllama_np.model import add_gradients, forward_hidden, losses_of
from tinyllama_np.ops import FloatArray, IntArray
from tinyllama_np.parameters import ModelTensors, Parameters, arrange, check_params
from tinyllama_np.workspace import Workspace

# Elements of the flat buffer that one task reduces or updates: fixed, so that sums of squares
# have the same order whatever the number of threads; small enough to stay in a core's cache.
CHUNK = 1 << 16

Item = TypeVar("Item")
Result = TypeVar("Result")


class StopRequested(Exception):
    """A pass was broken off because `Lanes.stop` asked for it; weights are as they were."""


class Lanes:
    """Workspaces, gradient buffers and threads for one model and one sequence length.

    Parameters
    ----------
    config : ModelConfig
    time : int
        T, tokens in a sequence.
    micro_batch : int
        Sequences that go through the model together.
    lanes : int
        Number of gradient buffers; bounds the threads that can work.
    threads : int
    backend : Backend
    dtype : dtype of the weights
    training : bool
        Without it no gradient buffers are made.

    Attributes
    ----------
    stop : callable
        Asked before each micro-batch, in the thread that is to take it. When it returns True, the
        pass ends with `StopRequested`: a batch may take long, and nothing is lost without it.
    """

    def __init__(
        self,
        config: ModelConfig,
        *,
        time: int,
        micro_batch: int,
        lanes: int,
        threads: int,
        backend: Backend,
        dtype: np.dtype[Any] | type[Any] = np.float32,
        training: bool = True,
    ) -> None:
        self.config = config
        self.backend = backend
        self.micro_batch = micro_batch
        self.time = time
        self.lanes = lanes
        self.threads = max(1, min(threads, lanes))
        self.stop: Callable[[], bool] = lambda: False
        self._dtype = dtype
        self._executor: Executor | None = (
            ThreadPoolExecutor(self.threads) if self.threads > 1 else None
        )
        # One set of workspaces (by sequences in a micro-batch) for each thread, not for each lane:
        # the same memory again and again is what the caches hold.
        self._workspaces: list[dict[int, Workspace]] = [{} for _ in range(self.threads)]
        self._gradients = [Parameters.zeros(config, dtype) for _ in range(lanes * training)]
        self._grads = [arrange(g.views, config) for g in self._gradients]
        self._prepared: dict[str, Any] = {}
        self._weights: ModelTensors | None = None

    @property
    def gradient(self) -> Parameters:
        """The sum of all lanes' gradients, as the last `loss_and_gradient` left it."""
        return self._gradients[0]

    def __enter__(self) -> Lanes:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the threads."""
        if self._executor is not None:
            self._executor.shutdown()

    def use_weights(self, params: Mapping[str, FloatArray]) -> None:
        """Take the weights for the calls to come; call again after every change to them."""

        def prepare(name: str) -> tuple[str, Any]:
            return name, self.backend.prepare_weight(params[name], self._prepared.get(name))

        matrices: list[str] = []
        arrange(params, self.config, lambda name, _: matrices.append(name))
        self._prepared = dict(self._spread(prepare, matrices))
        self._weights = arrange(params, self.config, lambda name, _: self._prepared[name])

    def losses(self, tokens: IntArray, targets: IntArray) -> FloatArray:
        """Loss of every token, shape (B, T), in nats, without gradients."""
        losses: FloatArray = np.empty(tokens.shape, dtype=self._dtype)

        def run(lane: int, rows: slice, ws: Workspace) -> None:
            inputs, wanted = tokens[rows].reshape(-1), targets[rows].reshape(-1)
            result = losses_of(inputs, wanted, self.weights, self.config, self.backend, ws)
            losses[rows] = result.reshape(-1, self.time)

        self._over_lanes(len(tokens), run)
        return losses

    def loss_and_gradient(self, tokens: IntArray, targets: IntArray) -> FloatArray:
        """Forward and backward pass of a batch of shape (B, T).

        Returns
        -------
        ndarray of shape (B, T)
            The tokens' losses in nats. The gradient of their mean is left in `self.gradient`.
        """
        losses: FloatArray = np.empty(tokens.shape, dtype=self._dtype)
        dloss = 1 / tokens.size
        started = [False] * self.lanes

        def run(lane: int, rows: slice, ws: Workspace) -> None:
            inputs, wanted = tokens[rows].reshape(-1), targets[rows].reshape(-1)
            if not started[lane]:  # by the lane's own thread: it lies in that core's cache then
                self._gradients[lane].flat.fill(0)
                started[lane] = True
            result = add_gradients(
                inputs,
                wanted,
                dloss,
                self.weights,
                self._grads[lane],
                self.config,
                self.backend,
                ws,
            )
            losses[rows] = result.reshape(-1, self.time)

        self._over_lanes(len(tokens), run)
        self._reduce(sum(started))
        return losses

    def logits(self, tokens: IntArray) -> FloatArray:
        """Scores of the next token at every position, shape (B, T, V)."""
        result: FloatArray = np.empty((*tokens.shape, self.config.vocab_size), dtype=self._dtype)

        def run(lane: int, rows: slice, ws: Workspace) -> None:
            forward_hidden(tokens[rows].reshape(-1), self.weights, self.config, self.backend, ws)
            flat = result[rows].reshape(-1, self.config.vocab_size)  # a view
            self.backend.linear(ws.final_normed, self.weights.head, flat, False)

        self._over_lanes(len(tokens), run)
        return result

    def map_chunks(self, size: int, function: Callable[[slice], Any]) -> list[Any]:
        """`function` of every CHUNK of range(size), on the threads; results in order."""
        chunks = [slice(i, min(i + CHUNK, size)) for i in range(0, size, CHUNK)]
        return self._spread(function, chunks)

    def _spread(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """`function` of every item, on the threads; results in order.

        One task a thread, since handing a task over takes as long as a small chunk's work.
        """
        if self._executor is None:
            return self._on_threads(function, items)

        def share(thread: int) -> list[Result]:
            return [function(item) for item in items[thread :: self.threads]]

        shares = self._on_threads(share, range(self.threads))
        return [shares[i % self.threads][i // self.threads] for i in range(len(items))]

    @property
    def weights(self) -> ModelTensors:
        if self._weights is None:
            raise RuntimeError("use_weights was not called")
        return self._weights

    def _reduce(self, used: int) -> None:
        """Add the used lanes' gradients to the first one's, in order."""
        total, *parts = (gradient.flat for gradient in self._gradients[:used])

        def add(chunk: slice) -> None:
            for part in parts:
                self.backend.accumulate(total[chunk], part[chunk])

        self.map_chunks(total.size, add)

    def _over_lanes(self, batch: int, run: Callable[[int, slice, Workspace], None]) -> None:
        """run(lane, rows, ws) of every micro-batch: lanes in parallel, a lane's own in order."""
        starts = range(0, batch, self.micro_batch)

        def carry(lane: int) -> None:
            workspaces = self._workspaces.pop()  # there is one for each thread
            try:
                for start in starts[lane :: self.lanes]:
                    if self.stop():
                        raise StopRequested
                    rows = slice(start, min(start + self.micro_batch, batch))
                    size = rows.stop - rows.start
                    if size not in workspaces:
                        workspaces[size] = Workspace.allocate(
                            self.config, size, self.time, self._dtype
                        )
                    run(lane, rows, workspaces[size])
            finally:
                self._workspaces.append(workspaces)

        with single_threaded_blas():
            self._on_threads(carry, range(self.lanes))

    def _on_threads(
        self, function: Callable[[Item], Result], items: Iterable[Item]
    ) -> list[Result]:
        """`function` of every item, on the threads if there are some; results in order."""

        def quietly(item: Item) -> Result:
            with unwarned():  # here: it holds for the thread that enters it
                return function(item)

        return list((self._executor.map if self._executor else map)(quietly, items))


def unwarned() -> np.errstate:
    """While it lasts NumPy does not warn of numbers that are not finite.

    Who trains or evaluates looks at the result, and says what is to be said once.
    """
    return np.errstate(over="ignore", invalid="ignore", divide="ignore")


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")  # finding the libraries takes a while


def single_threaded_blas() -> AbstractContextManager[Any]:
    """While it lasts NumPy's products use one thread: the threads run over micro-batches."""
    limiter: AbstractContextManager[Any] = _blas().limit(limits=1)
    return limiter


def default_threads() -> int:
    """The number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _check_tokens(name: str, tokens: Any, config: ModelConfig) -> IntArray:
    array = np.asarray(tokens)
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(f"{name} must have shape (B, T) with B, T >= 1, got {array.shape}")
    if array.dtype.kind not in "iu":
        raise ValueError(f"{name} must be integers, got dtype {array.dtype}")
    if array.min() < 0 or array.max() >= config.vocab_size:
        wrong = array.min() if array.min() < 0 else array.max()
        raise ValueError(
            f"{name} holds the id {wrong}; vocab_size={config.vocab_size} allows 0 to "
            f"{config.vocab_size - 1}"
        )
    if array.shape[1] > config.max_position_embeddings:
        raise ValueError(
            f"{name} has {array.shape[1]} positions; max_position_embeddings="
            f"{config.max_position_embeddings} allows no more"
        )
    return np.ascontiguousarray(array, dtype=np.int32)


def _library_lanes(
    params: Mapping[str, FloatArray],
    tokens: IntArray,
    config: ModelConfig,
    backend: str,
    training: bool,
) -> Lanes:
    dtype = check_params(params, config)
    lanes = Lanes(
        config,
        time=tokens.shape[1],
        micro_batch=1,
        lanes=min(4, len(tokens)),
        threads=default_threads(),
        backend=get_backend(backend, dtype),
        dtype=dtype,
        training=training,
    )
    lanes.use_weights({name: np.ascontiguousarray(array) for name, array in params.items()})
    return lanes


def forward(
    params: Mapping[str, FloatArray], tokens: Any, config: ModelConfig, backend: str = "numba"
) -> FloatArray:
    """Scores (logits) of the next token at every position.

    Parameters
    ----------
    params : mapping of str to ndarray
        Weights under Hugging Face's names, all of one float dtype.
    tokens : array_like of int, shape (B, T)
        T at most `config.max_position_embeddings`.
    config : ModelConfig
    backend : {"numba", "numpy"}
        "numba" takes float32 only.

    Returns
    -------
    ndarray of shape (B, T, V), dtype of the weights

    Raises
    ------
    ValueError
        If weights or tokens do not fit the configuration, or the dtype not the backend.
    """
    checked = _check_tokens("tokens", tokens, config)
    with _library_lanes(params, checked, config, backend, training=False) as lanes:
        return lanes.logits(checked)


def loss_and_grads(
    params: Mapping[str, FloatArray],
    tokens: Any,
    targets: Any,
    config: ModelConfig,
    backend: str = "numba",
) -> tuple[float, dict[str, FloatArray]]:
    """Mean cross-entropy of a batch, in nats a token, and its gradients.

    Parameters
    ----------
    params : mapping of str to ndarray
        Weights under Hugging Face's names, all of one float dtype.
    tokens, targets : array_like of int, shape (B, T)
        targets[b, t] is the token that follows tokens[b, t].
    config : ModelConfig
    backend : {"numba", "numpy"}
        "numba" takes float32 only; "numpy" works in the dtype of the weights.

    Returns
    -------
    loss : float
    grads : dict of str to ndarray
        Keyed and shaped like `params`: views of one flat buffer.

    Raises
    ------
    ValueError
        If weights, tokens or targets do not fit the configuration, or the dtype not the backend.
    """
    checked = _check_tokens("tokens", tokens, config)
    wanted = _check_tokens("targets", targets, config)
    if wanted.shape != checked.shape:
        raise ValueError(
            f"targets of shape {wanted.shape} must be shaped like tokens, {checked.shape}"
        )
    with _library_lanes(params, checked, config, backend, training=True) as lanes:
        losses = lanes.loss_and_gradient(checked, wanted)
        return mean_loss(losses), lanes.gradient.views


def mean_loss(losses: FloatArray) -> float:
    """Mean of token losses, summed in float64."""
    return float(losses.sum(dtype=np.float64) / losses.size)
