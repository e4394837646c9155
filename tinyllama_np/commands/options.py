"""Every setting as an option of the command line, made from the configuration's fields."""

from __future__ import annotations

import argparse
import dataclasses
import re
from typing import Any

from tinyllama_np.config import (
    MAX_RUNS,
    Condition,
    ConfigError,
    ModelConfig,
    StudyConfig,
    TrainConfig,
    apply_overrides,
)

# Settings that every run of a study gets from elsewhere.
_NOT_OPTIONS = {"seed"}
_LONGEST = 365 * 24 * 3600.0  # seconds of a time limit; no clock of the system overflows


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add `--hidden-size` and all the others; one that is not given leaves the preset's value."""
    for title, cls in (("model settings", ModelConfig), ("training settings", TrainConfig)):
        group = parser.add_argument_group(
            title, "as in the preset unless given; shown here: the value of the paper preset"
        )
        for field in dataclasses.fields(cls):
            if field.name not in _NOT_OPTIONS:
                group.add_argument(
                    "--" + field.name.replace("_", "-"),
                    dest=field.name,
                    metavar="VALUE",
                    help=_help(field),
                )


def _help(field: dataclasses.Field[Any]) -> str:
    default = field.default
    if isinstance(default, tuple):
        default = "|".join(default)
    if field.name == "train_tokens":
        default = 600_000
    shown = "empty" if default is None else str(default)
    return f"{field.metadata['help']} ({shown})".replace("%", "%%")


def parse_setting(name: str, text: str) -> Any:
    """The value that `text` gives to the setting `name`.

    Raises
    ------
    ConfigError
        If there is no such setting or the text is no value of its type.
    """
    fields = {f.name: f for cls in (ModelConfig, TrainConfig) for f in dataclasses.fields(cls)}
    if name not in fields:
        raise ConfigError(f"unknown setting {name!r}; known: {', '.join(sorted(fields))}")
    kind = str(fields[name].type)
    if "None" in kind and text.lower() in ("", "none", "all"):
        return None
    if kind.startswith("tuple"):
        return tuple(part for part in text.split("|") if part)
    if kind.startswith("bool"):
        if text.lower() not in ("true", "false"):
            raise ConfigError(f"{name}={text!r} must be true or false")
        return text.lower() == "true"
    if kind.startswith("str"):
        return text
    number = text.replace("_", "")
    try:
        return float(number) if kind.startswith("float") else int(number)
    except ValueError:
        expected = "a number" if kind.startswith("float") else "a whole number"
        raise ConfigError(f"{name}={text!r} must be {expected}") from None


def given_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings that were given on the command line."""
    names = [f.name for cls in (ModelConfig, TrainConfig) for f in dataclasses.fields(cls)]
    given = {name: getattr(arguments, name, None) for name in names}
    return {name: parse_setting(name, text) for name, text in given.items() if text is not None}


def with_settings(config: StudyConfig, settings: dict[str, Any]) -> StudyConfig:
    """`config` with the given settings."""
    model, train = apply_overrides(settings, config.model, config.train)
    return dataclasses.replace(config, model=model, train=train)


def parse_condition(text: str) -> Condition:
    """`NAME` or `NAME:FIELD=VALUE,FIELD=VALUE`."""
    name, _, rest = text.partition(":")
    overrides: dict[str, Any] = {}
    for part in filter(None, rest.split(",")):
        field, equals, value = part.partition("=")
        if not equals:
            raise ConfigError(
                f"--condition {text!r}: {part!r} must be FIELD=VALUE, as in "
                "fresh:train_tokens=2000000"
            )
        overrides[field.strip().replace("-", "_")] = parse_setting(
            field.strip().replace("-", "_"), value.strip()
        )
    return Condition(name, overrides)


def parse_seeds(text: str) -> tuple[int, ...]:
    """`6` for seeds 0 to 5, or a list such as `3,5,8`; `3,` is seed 3 alone."""
    try:
        numbers = tuple(int(part) for part in text.removesuffix(",").split(","))
    except ValueError:
        raise ConfigError(
            f"--seeds {text!r} must be a number of seeds or a list such as 3,5,8"
        ) from None
    if "," in text:
        return numbers
    if numbers[0] < 1:
        raise ConfigError(f"--seeds {text} must be at least 1; for seed 0 alone write 0,")
    if numbers[0] > MAX_RUNS:
        raise ConfigError(f"--seeds {text} must be at most {MAX_RUNS}")
    return tuple(range(numbers[0]))


def parse_duration(text: str) -> float:
    """Seconds of `90s`, `150m`, `2.5h`, `1h30m` or a bare number of seconds.

    Raises
    ------
    ConfigError
        If the text is none of these, not positive, or above a year.
    """
    number = r"((?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e-?[0-9]+)?)"
    given = text.strip().lower()
    found = re.fullmatch(number, given) or re.fullmatch(
        rf"(?:{number} *h)? *(?:{number} *m)? *(?:{number} *s)?", given
    )
    parts = reversed(found.groups(default="0")) if found else ()
    seconds = sum(float(part) * unit for part, unit in zip(parts, (1, 60, 3600), strict=False))
    if not 0 < seconds <= _LONGEST:
        raise ConfigError(
            f"--time-limit {text!r} must be a time such as 90s, 150m, 2.5h or 1h30m, and at most "
            f"{_LONGEST / 3600:.0f}h; leave it out for none"
        )
    return seconds
