"""The embedded corpus: simple children's stories, written by a seeded teller.

So that every command works with no file and no network. The stories are in the manner of
TinyStories (Eldan & Li 2023, arXiv:2305.07759): short words, a small world, one thing that happens
and has consequences. The `story_plots_*` files are the plots, `story_frames` what
they share, `story_words`, `story_places` and `story_world` whom and what they are about;
`story_grammar` and `story_script` are the teller.
"""

from __future__ import annotations

import hashlib
import random
from functools import lru_cache

from tinyllama_np.corpus import (
    story_plots_heart,
    story_plots_home,
    story_plots_things,
    story_plots_wonder,
    story_plots_world,
)
from tinyllama_np.corpus.story_frames import PASSAGES, opening
from tinyllama_np.corpus.story_grammar import Teller
from tinyllama_np.corpus.story_script import Plot, play, read_plots
from tinyllama_np.corpus.story_world import (
    cast_hero,
    cast_parent,
    cast_place,
    cast_thing,
    cast_trait,
)

MIN_WORDS, MAX_WORDS = 80, 220


def generate_stories(count: int, seed: int) -> list[str]:
    """Write `count` stories.

    Story i depends on `seed` and i alone, so a longer list begins with the shorter one, and the
    text is the same on every platform and Python version.

    Parameters
    ----------
    count : int
    seed : int

    Returns
    -------
    stories : list of str
        Each of 80 to 220 words, in paragraphs separated by "\\n".

    Raises
    ------
    ValueError
        `count` is negative.

    Examples
    --------
    >>> generate_stories(3, seed=0) == generate_stories(10, seed=0)[:3]
    True
    """
    if count < 0:
        raise ValueError(f"count={count}: expected the number of stories to write, 0 or more")
    return [_story(seed, index) for index in range(count)]


def _story(seed: int, index: int) -> str:
    # random.Random may change most of its methods between Python versions, but promises the same
    # `random()` for the same integer seed (documentation of `random`, "Notes on Reproducibility").
    digest = hashlib.sha256(f"tinyllama_np story seed={seed} index={index}".encode()).digest()
    rng = random.Random(int.from_bytes(digest[:8], "big"))
    while True:
        teller = Teller(rng)
        _tell(teller)
        if MIN_WORDS <= teller.count_words() <= MAX_WORDS:
            return teller.story()


@lru_cache(maxsize=1)
def plots() -> tuple[Plot, ...]:
    """Every plot the teller knows."""
    modules = (
        story_plots_things,
        story_plots_home,
        story_plots_heart,
        story_plots_world,
        story_plots_wonder,
    )
    return tuple(plot for module in modules for plot in read_plots(module.SCRIPT))


def _tell(teller: Teller) -> None:
    plot = teller.pick(plots())
    _cast(teller, plot)
    opening(teller)
    play(teller, plot.steps, PASSAGES)


def _cast(teller: Teller, plot: Plot) -> None:
    """Choose the hero, the hero's family, place, home and nature, and what the plot needs."""
    human = cast_hero(teller, human=True if "human" in plot.needs else None)
    cast_parent(teller, human=human)
    cast_place(teller, human=human, outdoors="out" in plot.needs)
    teller.cast["home"] = {"in": teller.expand("<home_in>" if human else "<animal_home_in>")}
    cast_trait(teller)
    for need in plot.needs:
        kind, _, ways = need.partition(":")
        if kind == "f":
            cast_hero(teller, "f", human=human)
        elif kind == "t":
            cast_thing(teller, ways=tuple(ways.split(",")) if ways else ())
