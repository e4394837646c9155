"""What the configuration classes share: fields with a help text, checks, and the way from JSON."""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, TypeVar

Config = TypeVar("Config")


class ConfigError(ValueError):
    """A setting that cannot work; the message names it, what was expected and what to do."""


def setting(default: Any, help: str) -> Any:
    """A dataclass field whose help text also serves the command line."""
    return field(default=default, metadata={"help": help})


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as JSON knows them: tuples become lists."""
    return {n: list(v) if isinstance(v, tuple) else v for n, v in values.items()}


def from_dict(cls: type[Config], values: Mapping[str, Any]) -> Config:
    """An object of `cls` from values by field name; unknown names are refused."""
    known = {f.name for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - known)
    if unknown:
        raise ConfigError(
            f"{cls.__name__} has no setting {', '.join(unknown)}; known: {', '.join(sorted(known))}"
        )
    return cls(**values)


_KINDS: Mapping[str, tuple[type[Any], Callable[[Any], Any]]] = {
    "bool": (bool, bool),
    "int": (numbers.Integral, int),
    "float": (numbers.Real, float),
    "str": (str, str),
}


def check_types(config: Any) -> None:
    """Refuse a value of another type than the field's.

    An integer may stand for a float, and NumPy's numbers for Python's; they are converted, so that
    1 and 1.0 are the same configuration. Tuples are left to the class that has them.
    """
    for f in dataclasses.fields(config):
        value, declared = getattr(config, f.name), str(f.type)
        kind = declared.split(" |")[0]
        if kind not in _KINDS or (value is None and "None" in declared):
            continue
        expected, convert = _KINDS[kind]
        if not isinstance(value, expected) or (isinstance(value, bool) and kind != "bool"):
            raise ConfigError(f"{f.name}={_cut(value)} must be of type {kind}")
        if kind == "int" and abs(value) >= 1 << 63:
            raise ConfigError(f"{f.name}={_cut(value)} must be a whole number of 64 bits")
        if kind == "float" and not _is_finite(value):
            raise ConfigError(f"{f.name}={_cut(value)} must be a finite number")
        if kind == "str":
            check_text(f.name, value)
        object.__setattr__(config, f.name, convert(value))


def check_text(name: str, text: str) -> None:
    """Refuse half characters: what a command line makes of bytes that are not UTF-8."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ConfigError(f"{name}={_cut(text)} must be text that UTF-8 can hold") from None


def _cut(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else text[:197] + "..."


def _is_finite(value: Any) -> bool:
    try:
        return math.isfinite(float(value))
    except OverflowError:  # a whole number beyond every float
        return False


def check_at_least(config: Any, name: str, least: int) -> None:
    """Refuse a value below `least`."""
    value = getattr(config, name)
    if value < least:
        raise ConfigError(f"{name}={value} must be at least {least}")


def check_positive(config: Any, name: str) -> None:
    """Refuse 0 and less, and NaN."""
    value = getattr(config, name)
    if not value > 0:
        raise ConfigError(f"{name}={value} must be positive")


def check_range(
    config: Any,
    name: str,
    low: float,
    high: float,
    open_below: bool = False,
    open_above: bool = False,
) -> None:
    """Refuse a value outside [low, high], whose ends may be open."""
    value = getattr(config, name)
    too_low = value <= low if open_below else value < low
    too_high = value >= high if open_above else value > high
    if too_low or too_high or math.isnan(value):
        if high == math.inf:
            raise ConfigError(
                f"{name}={value} must be {'above' if open_below else 'at least'} {low:g}"
            )
        interval = f"{'(' if open_below else '['}{low}, {high}{')' if open_above else ']'}"
        raise ConfigError(f"{name}={value} must lie in {interval}")


def check_choice(config: Any, name: str, choices: tuple[str, ...]) -> None:
    """Refuse a value that is none of `choices`."""
    value = getattr(config, name)
    if value not in choices:
        raise ConfigError(f"{name}={_cut(value)} must be one of {', '.join(choices)}")
