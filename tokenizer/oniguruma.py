"""Which regular expressions mean the same here and to Hugging Face.

We cut with the `regex` package, `tokenizers` with Oniguruma, in its Ruby-like syntax. Much of what
both accept differs: ``\\p{N}{1,3}+`` is possessive here and takes any number of digits there; ``$``
is the end of the text here and of a line there; ``[[ab]c]``, ``\\h``, ``(?i:ss)`` differ too. So
a pattern of a `tokenizer.json` may be made of the pieces below alone, which tests compare. Both
follow Unicode, each its own version of it.

Source: "Oniguruma Regular Expressions", doc/RE and doc/SYNTAX.md of the Oniguruma project.
"""

from __future__ import annotations

import regex

_MAX_LENGTH = 4096  # characters; compiling takes longer than in proportion
_MAX_REPEAT = 255

_CATEGORY = r"\\[pP]\{(?:L[ultmo]?|M[nce]?|N[dlo]?|P[cdseifo]?|S[mcko]?|Z[slp]?|C[cfo]?)\}"
_LITERAL_ESCAPE = r"\\(?:[nrtf]|[!-/:-@\[-`{-~]| )"
_KIND = rf"{_CATEGORY}|\\[sSdD]"
# No set inside a set, and no && -- || ~~ as operators of sets.
_IN_SET = rf"{_KIND}|(?:{_LITERAL_ESCAPE}|[^\[\]\\^-])(?:-(?:{_LITERAL_ESCAPE}|[^\[\]\\^-]))?"
_SET = rf"\[\^?+-?+(?:(?!&&|\|\||~~)(?:{_IN_SET}))++-?\]"

_STEP = regex.compile(
    rf"""(?P<group>\((?:\?(?:[:=!>]|i:))?+(?!\?))
    |(?P<close>\))
    |(?P<alternative>\|)
    |(?P<set>{_SET.replace(" ", "[ ]")})
    |(?P<kind>{_KIND}|\.)
    |(?P<repeat>[*+?][+?]?|\{{(?P<least>\d{{1,9}})(?P<comma>,(?P<most>\d{{1,9}})?)?\}}(?![?+]))
    |(?P<literal>{_LITERAL_ESCAPE.replace(" ", "[ ]")}|[^\\^$.|?*+()\[\]{{}}])""",
    regex.VERBOSE,
)
_IN_CASELESS = regex.compile(r"[a-zA-Z0-9'_ ]")
_FOLD_TO_ONE = ("ss", "ff", "fi", "fl", "st")  # as in ß, ﬁ, ﬆ, which Oniguruma would take for them


def check_portable(pattern: str) -> None:
    """Refuse a pattern that Hugging Face's engine may read differently from `regex`.

    Raises
    ------
    ValueError
        With the first part that is not known to mean the same to both.
    """
    if len(pattern) > _MAX_LENGTH:
        raise ValueError(
            f"the pattern has {len(pattern)} characters; at most {_MAX_LENGTH} are supported"
        )
    at = 0
    before = ""  # what kind of step stands before, and its text
    text_before = ""
    caseless = False
    while at < len(pattern):
        step = _STEP.match(pattern, at)
        kind = step.lastgroup if step else None
        if step is None or kind is None:
            raise _differs(pattern, at)
        kind = next(name for name in _KINDS if step[name] is not None)
        if kind == "repeat":
            counts = [int(step[name]) for name in ("least", "most") if step[name]]
            of_a_group = before == "close" and counts
            if before not in ("set", "kind", "literal", "close") or of_a_group:
                raise _differs(pattern, at)
            if counts and max(counts) > _MAX_REPEAT:
                raise ValueError(f"{step[0]} in the pattern repeats more than {_MAX_REPEAT} times")
        elif caseless and kind != "close" and not _same_without_case(kind, step[0], text_before):
            raise _differs(pattern, at)
        if kind == "group":
            caseless = step[0] == "(?i:"
        elif kind == "close":
            caseless = False
        before, text_before = kind, step[0]
        at = step.end()


_KINDS = ("group", "close", "alternative", "set", "kind", "repeat", "literal")


def _same_without_case(kind: str, text: str, text_before: str) -> bool:
    if kind == "literal":
        one = (text_before + text).lower() in _FOLD_TO_ONE
        return _IN_CASELESS.fullmatch(text) is not None and not one
    if kind == "set":
        return all(_IN_CASELESS.fullmatch(c) for c in text[1:-1])
    return kind == "alternative"


def _differs(pattern: str, at: int) -> ValueError:
    return ValueError(
        f"pattern {_shortened(pattern)!r} has {pattern[at : at + 12]!r} at character {at}, which "
        "is not known to mean the same to Hugging Face's regular expressions and to ours"
    )


def _shortened(pattern: str) -> str:
    return pattern if len(pattern) <= 60 else pattern[:57] + "..."
