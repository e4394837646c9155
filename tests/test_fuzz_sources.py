"""What is read is data: no module can run what a file holds."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("tinyllama_np", "tokenizer", "stats")
# Loaders that run code, or leave it to the file what is made of it.
RUN_CODE = {"pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}
RUN_CODE |= {"yaml", "torch", "runpy", "imp", "code", "codeop"}
CALLS = {"eval", "exec", "compile", "__import__", "read_pickle", "literal_eval", "unsafe_load"}
# Numba's machine code, in a folder that its user alone may write to (docs/architecture.md).
EXCEPTIONS = {
    ("tinyllama_np/kernels/cache.py", "pickle"),
    ("tinyllama_np/workers.py", "pickle"),  # over a pipe between a command and its own processes
}


def suspicious(source: str) -> Iterator[str]:
    """Names of what a module imports or calls that can run what a file holds."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ({alias.name.split(".")[0] for alias in node.names} & RUN_CODE)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ({node.module.split(".")[0]} & RUN_CODE)
        elif isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Name) and function.id in CALLS:
                yield function.id
            if isinstance(function, ast.Attribute):
                name = function.attr
                of_regex = isinstance(function.value, ast.Name) and function.value.id in RE
                if name in CALLS and not (name == "compile" and of_regex):
                    yield name
                of_numpy = isinstance(function.value, ast.Name) and function.value.id == "np"
                if of_numpy and name in ("load", "save", "savez", "fromfile"):
                    yield f"np.{name}"
            if any(keyword.arg == "allow_pickle" for keyword in node.keywords):
                yield "allow_pickle"


RE = ("re", "regex")


def test_no_module_runs_what_it_reads() -> None:
    found = {
        (path.relative_to(ROOT).as_posix(), name)
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for name in suspicious(path.read_text(encoding="utf-8"))
    }
    assert found == EXCEPTIONS


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "def f():\n    from yaml import safe_load",
        "import torch.serialization",
        "x = eval(text)",
        "import builtins\nbuiltins.exec(text)",
        "import numpy as np\nnp.load(path)",
        "f(path, allow_pickle=True)",
        "import pandas as pd\npd.read_pickle(path)",
    ],
)
def test_each_such_loader_is_noticed(source: str) -> None:
    assert list(suspicious(source))


def test_patterns_may_be_compiled() -> None:
    assert list(suspicious("import re\nre.compile('a')")) == []
