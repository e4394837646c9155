"""A Llama-style language model in NumPy with hand-written gradients, and a study of its training.

The library's calls are functions of arrays:

>>> from tinyllama_np import ModelConfig, init_params, forward, loss_and_grads, generate

Numba, pandas, SciPy and Matplotlib are imported where they are first needed.
"""

from tinyllama_np.config import (
    Condition,
    ConfigError,
    CorpusConfig,
    ModelConfig,
    StudyConfig,
    TrainConfig,
)
from tinyllama_np.generate import generate
from tinyllama_np.gradcheck import gradient_errors
from tinyllama_np.lanes import forward, loss_and_grads
from tinyllama_np.parameters import init_params, parameter_count
from tinyllama_np.presets import preset

__version__ = "0.1.0"

__all__ = [
    "Condition",
    "ConfigError",
    "CorpusConfig",
    "ModelConfig",
    "StudyConfig",
    "TrainConfig",
    "forward",
    "generate",
    "gradient_errors",
    "init_params",
    "loss_and_grads",
    "parameter_count",
    "preset",
]
