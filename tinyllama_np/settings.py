"""What the configuration classes share: fields with a help text, checks, and the way from JSON."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
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


_TYPE_NAMES = {"int": (int,), "float": (int, float), "bool": (bool,), "str": (str,)}


def check_types(config: Any) -> None:
    """Refuse a value of another type than the field's; an integer may stand for a float."""
    for f in dataclasses.fields(config):
        value, optional = getattr(config, f.name), "None" in str(f.type)
        if value is None and optional:
            continue
        expected = str(f.type).split(" |")[0]
        if expected.startswith("tuple"):
            if not isinstance(value, tuple) or not all(isinstance(v, str) for v in value):
                raise ConfigError(f"{f.name}={value!r} must be a tuple of texts")
            continue
        right = isinstance(value, _TYPE_NAMES[expected])
        if not right or (isinstance(value, bool) and expected != "bool"):
            raise ConfigError(f"{f.name}={value!r} must be of type {expected}")
        if expected == "float" and not math.isfinite(value):
            raise ConfigError(f"{f.name}={value!r} must be a finite number")
        if expected == "float":  # so that 1 and 1.0 are the same configuration
            object.__setattr__(config, f.name, float(value))


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
        interval = f"{'(' if open_below else '['}{low}, {high}{')' if open_above else ']'}"
        raise ConfigError(f"{name}={value} must lie in {interval}")


def check_choice(config: Any, name: str, choices: tuple[str, ...]) -> None:
    """Refuse a value that is none of `choices`."""
    value = getattr(config, name)
    if value not in choices:
        raise ConfigError(f"{name}={value!r} must be one of {', '.join(choices)}")
