"""Every number printed in a worked example is computed again from the inputs on the same page.

A block in the section "Worked example" or "A common mistake" of docs/ops/*.md has lines
`name = value  # comment`. A function for each page in worked_examples.py takes the page's inputs
and returns all its other values; names and digits must agree both ways, so neither can change
alone. A number with four decimals is a rounded one, any other must be exact (docs/notation.md says
so to the reader).
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from worked_examples import PAGES, Values

OPS_DOCS = Path(__file__).parents[1] / "docs" / "ops"
EXACT = 1e-7  # leaves room for finite differences and for AdamW's epsilon
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")


def sections(text: str) -> str:
    """The two sections whose numbers are checked."""
    parts = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    assert [part.splitlines()[0] for part in parts] == ["Worked example", "A common mistake"]
    return "\n".join(parts)


def printed_lines(text: str) -> list[tuple[str, str, str]]:
    """(name, value as printed, comment) of every line of the blocks."""
    blocks = re.findall(r"^```\n(.*?)^```$", sections(text), flags=re.MULTILINE | re.DOTALL)
    lines = []
    for line in "".join(blocks).splitlines():
        code, _, comment = line.partition("#")
        match = re.fullmatch(r"(\w+) += (\S.*?) *", code)
        assert match, f"not of the form `name = value`: {line!r}"
        lines.append((match[1], match[2], comment.strip()))
    return lines


def array_of(value: str) -> Any:
    """The printed value as float64; an input may say `ln 3`, so that it is exact."""
    plain = re.sub(r"ln (\d+)", lambda found: repr(math.log(int(found[1]))), value)
    return np.array(ast.literal_eval(plain), dtype=np.float64)


def read_page(text: str) -> Values:
    return {name: array_of(value) for name, value, _ in printed_lines(text)}


def disagreements(text: str, compute: Callable[[Values], Values]) -> list[str]:
    """Names and numbers in which the page and the computation differ."""
    lines = printed_lines(text)
    names = [name for name, _, _ in lines]
    found = [f"{name} is printed twice" for name in set(names) if names.count(name) > 1]
    computed = compute(read_page(text))
    found += [f"{name} is computed but not printed" for name in set(computed) - set(names)]
    for name, value, _ in lines:
        if name not in computed:
            continue  # an input
        numbers = NUMBER.findall(value)
        exact = np.ravel(computed[name])
        if len(numbers) != exact.size:
            found.append(f"{name}: {len(numbers)} numbers printed, {exact.size} computed")
            continue
        for number, want in zip(numbers, exact, strict=True):
            if not agrees(number, float(want)):
                found.append(f"{name}: printed {number}, computed {want:.6f}")
    return found


def agrees(number: str, want: float) -> bool:
    decimals = len(number.partition(".")[2])
    if decimals == 4:
        return float(number) == float(f"{want:.4f}")
    return abs(float(number) - want) <= EXACT * max(1.0, abs(want))


def inputs_of(text: str, compute: Callable[[Values], Values]) -> set[str]:
    page = read_page(text)
    return set(page) - set(compute(page))


# The arithmetic in the comments: `row 1: 2·(1, 0) + (0, 3)` must give a row of the line's value.

ARITHMETIC = re.compile(r"(?:[-\d.,()·+/√ ]|ln )*[·+/√](?:[-\d.,()·+/√ ]|ln )*")


def evaluate(expression: str) -> Any:
    logs = re.sub(r"ln (\d+)", lambda found: repr(math.log(int(found[1]))), expression.strip())
    tree = ast.parse(re.sub(r"√(\d+|\(.*\))", r"(\1)**0.5", logs).replace("·", "*"))
    statement = tree.body[0]
    assert isinstance(statement, ast.Expr)
    return _evaluate(statement.value)


def _evaluate(node: ast.expr) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Tuple):
        return np.array([_evaluate(element) for element in node.elts], dtype=np.float64)
    if isinstance(node, ast.UnaryOp):
        return -_evaluate(node.operand)
    assert isinstance(node, ast.BinOp), ast.dump(node)
    left, right = _evaluate(node.left), _evaluate(node.right)
    operations: dict[type[ast.operator], Callable[[], Any]] = {
        ast.Add: lambda: left + right,
        ast.Sub: lambda: left - right,
        ast.Mult: lambda: left * right,
        ast.Div: lambda: left / right,
        ast.Pow: lambda: left**right,
    }
    return operations[type(node.op)]()


def wrong_arithmetic(text: str) -> list[str]:
    found = []
    for name, value, comment in printed_lines(text):
        printed = array_of(value)
        parts = [printed, *printed, *printed.ravel()] if printed.ndim else [printed]
        for piece in re.split(r";| and |=", re.sub(r"^row \d+:", "", comment)):
            if not ARITHMETIC.fullmatch(piece):
                continue
            result = np.asarray(evaluate(piece))
            if not any(
                result.shape == np.shape(part) and np.allclose(result, part, rtol=0, atol=1e-4)
                for part in parts
            ):
                found.append(f"{name}: {piece.strip()} = {result} is not in {value}")
    return found


@pytest.fixture(params=sorted(PAGES))
def page(request: pytest.FixtureRequest) -> tuple[str, Callable[[Values], Values]]:
    name = request.param
    return (OPS_DOCS / f"{name}.md").read_text(encoding="utf-8"), PAGES[name]


def test_every_op_has_a_page_and_every_page_an_op() -> None:
    ops = Path(__file__).parents[1] / "tinyllama_np" / "ops"
    files = {path.stem for path in ops.glob("*.py")} - {"__init__"}
    assert {path.stem for path in OPS_DOCS.glob("*.md")} == files == set(PAGES)


def test_printed_numbers_are_the_computed_ones(page: tuple[str, Any]) -> None:
    text, compute = page
    assert disagreements(text, compute) == []


def test_arithmetic_in_comments_is_right(page: tuple[str, Any]) -> None:
    assert wrong_arithmetic(page[0]) == []


def test_prose_repeats_numbers_of_the_blocks_only(page: tuple[str, Any]) -> None:
    """A decimal number in the two sections' text stands in a block, where it is checked."""
    text = sections(page[0])
    in_blocks = {number.lstrip("-") for number in NUMBER.findall("".join(_values(page[0])))}
    prose = re.sub(r"^```\n.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    repeated = set(re.findall(r"(?<![\w.])\d+\.\d+", prose))
    allowed = {"0.999"}  # a setting spoken of, not a result
    shortened = {f"{float(number):g}" for number in in_blocks}
    assert repeated <= in_blocks | shortened | allowed


def _values(text: str) -> list[str]:
    return [f"{value} {comment}\n" for _, value, comment in printed_lines(text)]


def test_a_changed_digit_is_noticed(page: tuple[str, Any]) -> None:
    """Planted drift: each printed result in turn, its last digit one further."""
    text, compute = page
    inputs = inputs_of(text, compute)
    lines = [line for line in printed_lines(text) if line[0] not in inputs]
    assert lines
    for name, value, _ in lines:
        for match in NUMBER.finditer(value):
            last = match.end() - 1
            changed = value[:last] + str((int(value[last]) + 1) % 10) + value[last + 1 :]
            line = re.search(rf"^{name} += ", text, flags=re.MULTILINE)
            assert line
            planted = text[: line.end()] + changed + text[line.end() + len(value) :]
            assert disagreements(planted, compute), f"{name}: {value} -> {changed}"


def test_wrong_arithmetic_is_noticed() -> None:
    block = "## Worked example\n```\na = [[1, 2], [7, 0]]  # row 2: 2·(3, 1) + (1, {})\n```\n"
    block += "## A common mistake\n"
    assert wrong_arithmetic(block.format(-2)) == []
    assert len(wrong_arithmetic(block.format(-1))) == 1
