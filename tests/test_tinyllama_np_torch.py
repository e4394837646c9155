"""Loss, gradients and a training trajectory against a plain PyTorch model with autograd.

PyTorch's values lie in fixtures/torch_reference.npz, so they judge us where PyTorch is missing;
where it is installed they are computed again and must be those of the file.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from examples_of_models import relative_error

from tinyllama_np import ModelConfig, TrainConfig, forward, loss_and_grads
from tinyllama_np.backend import get_backend
from tinyllama_np.lanes import Lanes, mean_loss
from tinyllama_np.optimizer import Optimizer
from tinyllama_np.parameters import Parameters
from tinyllama_np.schedule import learning_rate

FIXTURE = Path(__file__).parent / "fixtures" / "torch_reference.npz"
CASES = ("tied, grouped", "untied, grouped", "untied, not grouped")

# Bounds on the error relative to a gradient's largest entry; measured: 4e-15 and 1.5e-6.
PRECISIONS = [
    pytest.param("numpy", np.float64, 1e-13, id="numpy-float64"),
    pytest.param("numpy", np.float32, 1e-5, id="numpy-float32"),
    pytest.param("numba", np.float32, 1e-5, id="numba-float32"),
]


@pytest.fixture(scope="module")
def reference():
    with np.load(FIXTURE) as arrays:
        return dict(arrays)


def case_of(reference, case, dtype):
    """Configuration, weights, tokens and targets of a case."""
    start = f"{case}/weight/"
    weights = {
        name.removeprefix(start): array.astype(dtype)
        for name, array in reference.items()
        if name.startswith(start)
    }
    config = ModelConfig.from_dict(json.loads(str(reference[f"{case}/config"])))
    return config, weights, reference[f"{case}/tokens"], reference[f"{case}/targets"]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("backend", "dtype", "bound"), PRECISIONS)
def test_loss_and_every_gradient_equal_pytorchs(reference, case, backend, dtype, bound):
    config, weights, tokens, targets = case_of(reference, case, dtype)
    loss, grads = loss_and_grads(weights, tokens, targets, config, backend=backend)
    assert loss == pytest.approx(float(reference[f"{case}/loss"]), rel=bound)
    assert set(grads) == set(weights)
    for name, grad in grads.items():
        assert grad.dtype == dtype
        assert relative_error(grad, reference[f"{case}/grad/{name}"]) < bound, name


def train(reference, backend, dtype, threads=1):
    """Losses, gradient norms and clipped flags of the fixture's training steps, by our own loop."""
    config, weights, _, _ = case_of(reference, "tied, grouped", dtype)
    settings = json.loads(str(reference["training"]))
    windows = reference["training/windows"].astype(np.int32)
    steps, batch, window = windows.shape
    assert steps == settings.pop("steps")
    train_config = TrainConfig(
        budget_tokens=steps * batch * (window - 1),
        batch_size=batch,
        sequence_length=window - 1,
        backend=backend,
        **settings,
    )
    parameters = Parameters.zeros(config, dtype)
    for name, array in weights.items():
        factor = 0.125 if array.ndim == 2 else 1  # as in torch_reference.first_training_weights
        parameters.views[name][...] = array * dtype(factor)
    optimizer = Optimizer(config, train_config, dtype)
    losses, norms, clipped = [], [], []
    with Lanes(
        config,
        time=window - 1,
        micro_batch=2,
        lanes=2,
        threads=threads,
        backend=get_backend(backend, dtype),
        dtype=dtype,
    ) as lanes:
        for step, rows in enumerate(windows, start=1):
            lanes.use_weights(parameters.views)
            losses.append(mean_loss(lanes.loss_and_gradient(rows[:, :-1], rows[:, 1:])))
            norms.append(optimizer.gradient_norm(lanes))
            rate = learning_rate(step, train_config)
            clipped.append(
                optimizer.update(parameters, lanes, step=step, learning_rate=rate, norm=norms[-1])
            )
    return np.array(losses), np.array(norms), np.array(clipped)


# Measured: 3e-16 in float64, 5e-7 in float32.
@pytest.mark.parametrize(
    ("backend", "dtype", "bound"),
    [
        pytest.param("numpy", np.float64, 1e-13, id="numpy-float64"),
        pytest.param("numpy", np.float32, 5e-6, id="numpy-float32"),
        pytest.param("numba", np.float32, 5e-6, id="numba-float32"),
    ],
)
def test_fifty_training_steps_follow_pytorchs(reference, backend, dtype, bound):
    losses, norms, clipped = train(reference, backend, dtype)
    np.testing.assert_allclose(losses, reference["training/losses"], rtol=bound, atol=0)
    np.testing.assert_allclose(norms, reference["training/norms"], rtol=bound, atol=0)
    np.testing.assert_array_equal(clipped, reference["training/norms"] > 1)
    assert 0 < clipped.sum() < len(clipped)  # both ways are tried
    assert losses[-1] < losses[0] / 2  # and something is learnt


def without_weight_decay(settings):
    settings["weight_decay"] = 0.0


def without_clipping(settings):
    settings["max_grad_norm"] = 1e9


def with_warmup_begun_one_step_late(settings):
    settings["warmup_steps"] += 1


def with_beta2_of_pytorch(settings):
    settings["beta2"] = 0.999


@pytest.mark.parametrize(
    "change",
    [
        without_weight_decay,
        without_clipping,
        with_warmup_begun_one_step_late,
        with_beta2_of_pytorch,
    ],
)
def test_trajectory_shows_a_changed_setting(reference, change):
    """The bound above is far below what any mistake in the optimizer would cause."""
    settings = json.loads(str(reference["training"]))
    change(settings)
    changed = {**reference, "training": np.array(json.dumps(settings))}
    losses, _, _ = train(changed, "numpy", np.float64)
    assert np.abs(losses / reference["training/losses"] - 1).max() > 1e-3


def test_trajectory_shows_decayed_gains(reference, monkeypatch):
    monkeypatch.setattr(
        "tinyllama_np.optimizer.decay_segments",
        lambda config: [(slice(0, Parameters.zeros(config).flat.size), True)],
    )
    losses, _, _ = train(reference, "numpy", np.float64)
    assert np.abs(losses / reference["training/losses"] - 1).max() > 1e-3


# ----------------------------------------------------------------------- where PyTorch is installed


@pytest.fixture(scope="module")
def torch_reference():
    pytest.importorskip("torch", reason="PyTorch is not installed")
    path = FIXTURE.with_suffix(".py")
    spec = importlib.util.spec_from_file_location("torch_reference", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_fixture_is_what_the_script_computes(reference, torch_reference):
    computed = torch_reference.compute()
    assert set(computed) == set(reference)
    for name, array in computed.items():
        assert array.dtype == reference[name].dtype
        if array.dtype != np.float64:
            np.testing.assert_array_equal(array, reference[name], err_msg=name)
            continue
        assert relative_error(array, reference[name]) < 1e-12, name


def test_logits_equal_pytorchs(reference, torch_reference):
    for case in CASES:
        config, weights, tokens, _ = case_of(reference, case, np.float64)
        start = f"{case}/weight/"
        model = torch_reference.load(
            torch_reference.CASES[case],
            {n.removeprefix(start): a for n, a in reference.items() if n.startswith(start)},
        )
        wanted = model(torch_reference.torch.as_tensor(tokens).long()).detach().numpy()
        ours = forward(weights, tokens, config, backend="numpy")
        assert relative_error(ours, wanted) < 1e-13, case
