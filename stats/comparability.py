"""What two studies have not in common: every setting that differs, and what makes losses unequal.

A loss per token depends on what a token is and on which text it is measured. Where tokenizer or
text differ a smaller loss does not mean a better model.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from stats.json_files import read_json_object
from stats.pairing import Side
from stats.wording import joined

SEED_KEYS = ("config.seeds", "config.train.seed")
MAX_NAMED = 6


@dataclass(frozen=True)
class Comparability:
    """Attributes
    ----------
    same_tokens : bool
        Whether a loss per token means the same in both, as far as is recorded.
    notices : tuple of str
        What a reader must know before any number, worst first.
    """

    same_tokens: bool
    notices: tuple[str, ...]


def configuration_of(side: Side) -> dict[str, str]:
    """study.json of the side's condition, flattened: "config.train.batch_size" -> "16".

    The overrides of the condition stand in the place of what they override. A list is one value.
    The hash is left out: it differs wherever anything does.
    """
    study = {key: value for key, value in side.run.study.items() if key != "config_hash"}
    config = study.get("config")
    if isinstance(config, Mapping):
        config = dict(config)
        conditions = config.pop("conditions", None)
        for name, value in _overrides(conditions, side.condition).items():
            part = next(
                (p for p in ("train", "model") if name in _mapping(config.get(p))), "condition"
            )
            config[part] = {**_mapping(config.get(part)), name: value}
        study["config"] = config
    return _flat(study, "")


def configuration_differences(side_a: Side, side_b: Side) -> pd.DataFrame:
    """The settings in which the two differ.

    Returns
    -------
    DataFrame
        key, a, b: settings first, then sizes of the data and versions; "" where a side has none.
    """
    a, b = configuration_of(side_a), configuration_of(side_b)
    keys = [key for key in dict.fromkeys([*a, *b]) if a.get(key) != b.get(key)]
    keys.sort(key=lambda key: not key.startswith("config."))
    rows = [(key, a.get(key, ""), b.get(key, "")) for key in keys]
    return pd.DataFrame(rows, columns=["key", "a", "b"])


def configuration_sentence(table: pd.DataFrame, side_a: Side, side_b: Side) -> str:
    """In which settings the two differ, in words."""
    if not (side_a.run.study and side_b.run.study):
        lacking = [side.label for side in (side_a, side_b) if not side.run.study]
        return f"No study.json in {joined(lacking)}: how the two were configured is not known."
    settings = [k.removeprefix("config.") for k in table["key"] if k.startswith("config.")]
    real = [name for name in settings if f"config.{name}" not in SEED_KEYS]
    versions = [k for k in table["key"] if k.startswith("versions.")]
    also = f" {len(versions)} recorded versions differ as well." if len(versions) > 1 else ""
    if len(versions) == 1:
        also = f" One recorded version differs as well: {versions[0].removeprefix('versions.')}."
    if not real:
        what = "nothing but the seeds" if settings else "nothing"
        return f"In their configuration the two differ in {what}.{also}"
    named = real[:MAX_NAMED]
    more = f" and {len(real) - MAX_NAMED} more" if len(real) > MAX_NAMED else ""
    verb = "setting" if len(real) == 1 else "settings"
    return (
        f"The two differ in {len(real)} {verb}: {joined(named) if not more else ', '.join(named)}"
        f"{more}.{also}"
    )


def comparability(side_a: Side, side_b: Side) -> Comparability:
    """What makes the losses of the two unequal measures, from what the folders record."""
    a, b = configuration_of(side_a), configuration_of(side_b)
    names = f"{side_a.label} and {side_b.label}"
    serious, notices = [], []
    if _differ(a, b, "config.model.vocab_size"):
        serious.append(
            f"Different vocabularies: {a['config.model.vocab_size']} and "
            f"{b['config.model.vocab_size']} tokens"
        )
    elif _tokenizers_differ(side_a, side_b):
        serious.append("Different tokenizers")
    if _texts_differ(a, b):
        serious.append(
            "Different validation texts" if not serious else "and different validation texts"
        )
    if serious:
        notices.append(
            f"{' '.join(serious)}: losses per token of {names} are not comparable, a lower one "
            "need not be a better model."
        )
        if "texts" in notices[0]:
            notices.append(
                "On different texts even bits per byte measure the text as well as the model."
            )
    elif not _tokenizer_known(side_a, side_b, a, b):
        notices.append(
            "That both used the same tokenizer is not recorded (no tokenizer.json, no "
            "data/valid.json); it is taken to be so."
        )
    sample = "config.train.valid_tokens"
    if _differ(a, b, sample):
        notices.append(
            f"The validation samples differ in size: {int(a[sample]):,} and {int(b[sample]):,} "
            "tokens from the beginning of the text."
        )
    ends = [int(side.rows["tokens_seen"].max()) for side in (side_a, side_b)]
    if ends[0] != ends[1]:
        notices.append(
            f"The budgets differ: {ends[0]:,} and {ends[1]:,} tokens a seed. A schedule that ends "
            "with the budget makes the same place a different part of it."
        )
    return Comparability(not serious, tuple(notices))


def _overrides(conditions: Any, name: str) -> Mapping[str, Any]:
    for condition in conditions if isinstance(conditions, list) else []:
        if isinstance(condition, Mapping) and str(condition.get("name")) == name:
            return _mapping(condition.get("overrides"))
    return {}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _flat(value: Any, key: str) -> dict[str, str]:
    if isinstance(value, Mapping):
        out: dict[str, str] = {}
        for name, item in value.items():
            out |= _flat(item, f"{key}.{name}" if key else str(name))
        return out
    return {key: value if isinstance(value, str) else json.dumps(value)}


def _differ(a: Mapping[str, str], b: Mapping[str, str], key: str) -> bool:
    return key in a and key in b and a[key] != b[key]


def _tokenizer_hash(side: Side) -> dict[str, str]:
    """What the folder records of its tokenizer; hashes of unlike kinds are not compared."""
    found = {}
    if (side.run.path / "tokenizer.json").is_file():
        digest = hashlib.sha256()
        with (side.run.path / "tokenizer.json").open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
        found["tokenizer.json"] = digest.hexdigest()
    try:
        record = read_json_object(side.run.path / "data" / "valid.json")
        found["valid.json"] = str(record["tokenizer_sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # a folder of results need not hold its data
    return found


def _tokenizers_differ(side_a: Side, side_b: Side) -> bool:
    a, b = _tokenizer_hash(side_a), _tokenizer_hash(side_b)
    return any(a[kind] != b[kind] for kind in a.keys() & b.keys())


def _tokenizer_known(side_a: Side, side_b: Side, a: dict[str, str], b: dict[str, str]) -> bool:
    """Same folder, a recorded hash in both, or the same text it was trained on."""
    if side_a.run.path.resolve() == side_b.run.path.resolve():
        return True
    if _tokenizer_hash(side_a).keys() & _tokenizer_hash(side_b).keys():
        return True
    corpus = [
        {key: value for key, value in c.items() if key.startswith(("config.corpus.", "data."))}
        for c in (a, b)
    ]
    return bool(corpus[0]) and corpus[0] == corpus[1]


def _texts_differ(a: Mapping[str, str], b: Mapping[str, str]) -> bool:
    """By the hashes of the validation files, else by number of stories and bytes of the text."""
    files = "config.corpus.valid_files"
    if a.get(files, "[]") != "[]" and b.get(files, "[]") != "[]":
        return a[files] != b[files]
    return any(_differ(a, b, f"data.valid.{name}") for name in ("stories", "bytes"))
