"""Plots as text: the small script language in which the embedded stories are written.

    # The ball that rolled | t:rolls f
    @ tell
    - <one_day> [h] {kicked|dropped} [t].
    - it was windy, and [t] would not stay where [t.they] [t.was].
    @ maybe 0.4
    - nobody saw it.
    @ say h sad
    - Where is my [t.noun]?

`#` starts a plot and says what it needs (a friend `f`, a thing `t`, that may be lost in certain
ways, a `human` hero, a place `out` of town); `@` starts a step; `-` starts one of the step's
alternatives, which may run over several lines. The steps:

    @ tell              one alternative, told
    @ maybe P           the same, with probability P (less in a brief telling)
    @ some N            N different alternatives (in a brief telling one), in any order
    @ say ROLE [MOOD]   one alternative, spoken
    @ let ROLE          one alternative becomes a role; " / " separates its forms "", "2", "3", ...
    @ para              perhaps a new paragraph
    @ run NAME          a shared passage of `story_frames`
    @ end               the ending; the alternatives are the story's lessons
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from tinyllama_np.corpus.story_grammar import Teller


class Step(NamedTuple):
    action: str
    arguments: tuple[str, ...]
    lines: tuple[str, ...]


class Plot(NamedTuple):
    name: str
    needs: tuple[str, ...]
    steps: tuple[Step, ...]


Passage = Callable[[Teller, tuple[str, ...]], None]


def read_plots(script: str) -> list[Plot]:
    """The plots of a script. Raises ValueError at a line that belongs to nothing."""
    plots: list[tuple[str, list[tuple[str, list[str]]]]] = []
    for line in (raw.strip() for raw in script.splitlines()):
        mark, rest = line[:1], line[1:].strip()
        if mark == "#":
            plots.append((rest, []))
        elif mark == "@":
            plots[-1][1].append((rest, []))
        elif mark == "-":
            plots[-1][1][-1][1].append(rest)
        elif line:
            if plots and not plots[-1][1]:  # a long header
                plots[-1] = (f"{plots[-1][0]} {line}", [])
                continue
            try:
                plots[-1][1][-1][1][-1] += " " + line
            except IndexError:
                raise ValueError(f"script line {line!r} belongs to no alternative") from None
    return [_plot(header, steps) for header, steps in plots]


def _plot(header: str, steps: list[tuple[str, list[str]]]) -> Plot:
    name, _, needs = header.partition(" |")
    return Plot(
        name.strip(),
        tuple(needs.split()),
        tuple(Step(*_action(step), tuple(lines)) for step, lines in steps),
    )


def _action(step: str) -> tuple[str, tuple[str, ...]]:
    action, *arguments = step.split()
    return action, tuple(arguments)


def play(t: Teller, steps: tuple[Step, ...], passages: Mapping[str, Passage]) -> None:
    """Tell the steps one after the other; `passages` has what `@ run` and `@ end` name."""
    for action, arguments, lines in steps:
        if action == "tell":
            t.tell(*lines)
        elif action == "maybe":
            t.maybe(float(arguments[0]), *lines)
        elif action == "some":
            count = int(arguments[0]) if t.chance(t.detail) else 1
            for line in t.sample(lines, count):
                t.tell(line)
        elif action == "say":
            t.say(arguments[0], *lines, mood=(*arguments, "say")[1])
        elif action == "let":
            forms = [t.expand(form) for form in t.pick(lines).split(" / ")]
            t.cast[arguments[0]] = {str(n) if n > 1 else "": f for n, f in enumerate(forms, 1)}
        elif action == "para":
            t.paragraph()
        elif action == "run":
            passages[arguments[0]](t, arguments[1:])
        elif action == "end":
            passages["end"](t, lines)
        else:
            raise ValueError(f"script step {action!r} is unknown")
