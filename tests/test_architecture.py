"""The house is read downwards: what may import what, checked by reading the imports.

All imports count, those inside functions too; only the command line joins everything.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("tinyllama_np", "tokenizer", "stats")

# A file or subpackage of tinyllama_np imports only from those before it. storage stands early
# since everything that writes uses it, and it uses nothing; safe_files likewise for what is read.
READING_ORDER = (
    "settings",
    "run_config",
    "config",
    "presets",
    "ops",
    "kernels",
    "backend",
    "os_errors",
    "safe_files",
    "storage",
    "owner",
    "environment",
    "environment_record",
    "safetensors_header",
    "parameters",
    "workspace",
    "model",
    "lanes",
    "gradcheck",
    "optimizer",
    "schedule",
    "warmup",
    "interrupts",
    "workers",
    "corpus",
    "checkpoint",
    "evaluate",
    "generate",
    "telemetry",
    "training_state",
    "job",
    "study_file",
    "trainer",
    "train",
    "prepare",
    "study",
    "progress",
    "disk_need",
    "run_state",
    "run_states",
    "bench",
    "verify",
    "commands",
    "cli",
    "__main__",
)
# The command line, which joins all packages, and what the package shows to `import`.
JOINERS = ("cli", "commands", "__main__", "__init__")

# Which packages may import a library that is slow to load or that one of them has to itself.
OWNERS = {
    "regex": ("tokenizer",),
    "scipy": ("stats",),
    "matplotlib": ("stats",),
}
SLOW = ("numba", "llvmlite", "pandas", "scipy", "matplotlib")


def modules(root: Path) -> dict[str, Path]:
    """Every module of the packages: dotted name -> file; a package stands for its __init__."""
    found = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(name: str, path: Path, known: dict[str, Path]) -> set[str]:
    """What a module imports, as dotted names; submodules rather than the packages they lie in."""
    found: set[str] = set()
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                submodule = f"{source}.{alias.name}"
                version = source in PACKAGES and alias.name == "__version__"
                if not version:
                    found.add(submodule if submodule in known else source)
    return found - {name}


def place(module: str) -> int | None:
    """A module's place in READING_ORDER."""
    parts = module.split(".")
    return READING_ORDER.index(parts[1]) if parts[1:] and parts[1] in READING_ORDER else None


def joins(module: str) -> bool:
    """Whether a module of tinyllama_np may import from anywhere."""
    return [*module.split("."), "__init__"][1] in JOINERS


def violations(root: Path) -> list[str]:
    """Every import that the house does not allow, one line each."""
    known = modules(root)
    found = []
    for name, path in known.items():
        for target in sorted(imports(name, path, known)):
            reason = _forbidden(name, target)
            if reason:
                found.append(f"{name} imports {target}: {reason}")
    return found


def _forbidden(name: str, target: str) -> str | None:
    home, away = name.split(".")[0], target.split(".")[0]
    if home not in OWNERS.get(away, (home,)):
        return f"only {', '.join(OWNERS[away])} may"
    if home == "stats" and away in ("tinyllama_np", "tokenizer"):
        return "stats reads files alone"
    if home == "tokenizer" and away in ("tinyllama_np", "stats"):
        return "the tokenizer knows nothing of the others"
    if home != "tinyllama_np" or joins(name):
        return None
    if away == "stats":
        return "only the command line joins the two"
    if away != "tinyllama_np":
        return None
    if target == "tinyllama_np":
        return "a part does not import the whole"
    return _against_the_order(name, target)


def _against_the_order(name: str, target: str) -> str | None:
    inside = name.split(".")[1] == "kernels"
    if target.split(".")[1] == "kernels" and not inside and name != "tinyllama_np.backend":
        return "only backend.py imports the kernels"
    here, there = place(name), place(target)
    if here is not None and there is not None and there > here:
        return "it stands further down the reading order"
    return None


def cycles(root: Path, package: str) -> list[str]:
    """A chain of modules of `package` that import each other in a circle, or nothing."""
    known = modules(root)
    graph = {
        name: imports(name, path, known) & set(known)
        for name, path in known.items()
        if name.split(".")[0] == package and name != package
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_every_part_has_a_place_in_the_order() -> None:
    parts = {name.split(".")[1] for name in modules(ROOT) if name.startswith("tinyllama_np.")}
    assert parts - set(READING_ORDER) == set(), "give it a place in READING_ORDER"


def test_imports_point_upwards() -> None:
    assert violations(ROOT) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_can_be_read_downwards(package: str) -> None:
    assert cycles(ROOT, package) == []


@pytest.mark.parametrize("package", ["tinyllama_np", "tokenizer"])
def test_import_is_light(package: str) -> None:
    code = f"import sys, {package}; print(*sorted(set(sys.modules) & set({SLOW!r})))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


PLANTED = {
    "tinyllama_np/model.py": "from tinyllama_np.lanes import Lanes\n",
    "tinyllama_np/config.py": "def late():\n    from . import train\n",
    "tinyllama_np/lanes.py": "from tinyllama_np.kernels import linear\n",
    "tinyllama_np/train.py": "import stats.anova\n",
    "tinyllama_np/ops/rope.py": "import tinyllama_np\n",
    "tinyllama_np/telemetry.py": "from scipy import special\n",
    "tokenizer/train.py": "from tinyllama_np.storage import write_atomic\n",
    "stats/io.py": "from tokenizer import Tokenizer\nimport regex\n",
}
ALLOWED = {
    "tinyllama_np/cli.py": "import stats\nfrom tinyllama_np.commands import study\n",
    "tinyllama_np/commands/study.py": "from stats import analyse\n",
    "tinyllama_np/backend.py": "def table():\n    from tinyllama_np.kernels import linear\n",
    "tinyllama_np/study.py": "from tinyllama_np import __version__\nimport tokenizer, numba\n",
    "tinyllama_np/kernels/linear.py": "from .simd import load\n",
    "tinyllama_np/kernels/simd.py": "import numba\n",
    "tinyllama_np/__init__.py": "from tinyllama_np.lanes import forward\n",
    "stats/anova.py": "from scipy import special\nfrom stats.io import read\n",
}


def plant(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8", newline="\n")


def test_what_is_allowed_passes(tmp_path: Path) -> None:
    plant(tmp_path, ALLOWED)
    assert violations(tmp_path) == []


def test_each_planted_import_is_noticed(tmp_path: Path) -> None:
    plant(tmp_path, ALLOWED | PLANTED)
    guilty = [line.split(" imports ")[0] for line in violations(tmp_path)]
    expected = [name.removesuffix(".py").replace("/", ".") for name in PLANTED]
    assert sorted(set(guilty)) == sorted(expected)
    assert guilty.count("stats.io") == 2


def test_a_circle_is_noticed(tmp_path: Path) -> None:
    plant(tmp_path, {"stats/a.py": "import stats.b\n", "stats/b.py": "from stats import a\n"})
    assert set(cycles(tmp_path, "stats")) == {"stats.a", "stats.b"}
    plant(tmp_path, {"stats/b.py": "import math\n"})
    assert cycles(tmp_path, "stats") == []
