"""The teller of the embedded stories: small templates, expanded with roles and word lists.

A template is English with four marks:

    {red|blue}     one of the alternatives; they nest
    <word>         one entry of that list in `story_words.WORDS`, itself a template
    [h] [h.his]    a form of the role `h`: its name, its pronoun, ...
    ^              the next letter is a capital (else only a sentence's first letter is)

`Teller` expands templates, keeps who was mentioned last (so that "she said" has one meaning),
and joins sentences into paragraphs.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple, TypeVar, Union

from tinyllama_np.corpus.story_words import GESTURES, TAGS, WORDS

Forms = Mapping[str, str]  # "" is what `[role]` gives, "his" what `[role.his]` gives, ...
T = TypeVar("T")


class Ref(NamedTuple):
    role: str
    form: str


class Word(NamedTuple):
    name: str


class Choice(NamedTuple):
    options: tuple[tuple[Node, ...], ...]


Node = Union[str, Ref, Word, Choice]  # noqa: UP007  (an alias that refers to itself)

_MARKS = re.compile(r"[{|}]|\[[^\]]*\]|<[^>]*>|[^{|}\[<]+")
_VOWEL_SOUND = re.compile(r"\b([Aa]) (?=(?:[aeio]|u(?!ni|se)|hour|honest)(?!ne\b|nce\b))")
_START = re.compile(r'(?:^|(?<=[^.][.!?] )|\^)("?[A-Za-z])')
_NAME_ONLY = ("'", ",", " and ", " the ")  # what may follow a name but not a pronoun
_SENTENCE_END = re.compile(r"(?<=[.!?]) ")


@cache
def parse(template: str) -> tuple[Node, ...]:
    """The template as a tree. Raises ValueError where braces do not match."""
    tokens = _MARKS.findall(template)
    nodes, end = _parse_sequence(tokens, 0)
    if end != len(tokens):
        raise ValueError(f"template {template!r}: {{ and }} do not match")
    return nodes


def _parse_sequence(tokens: Sequence[str], at: int) -> tuple[tuple[Node, ...], int]:
    nodes: list[Node] = []
    while at < len(tokens) and tokens[at] not in "|}":
        token = tokens[at]
        at += 1
        if token == "{":
            choice, at = _parse_choice(tokens, at)
            nodes.append(choice)
        elif token[0] == "[":
            role, _, form = token[1:-1].partition(".")
            nodes.append(Ref(role, form))
        elif token[0] == "<":
            nodes.append(Word(token[1:-1]))
        else:
            nodes.append(token)
    return tuple(nodes), at


def _parse_choice(tokens: Sequence[str], at: int) -> tuple[Choice, int]:
    options = []
    while True:
        option, at = _parse_sequence(tokens, at)
        options.append(option)
        if at == len(tokens):
            raise ValueError("template: a { is not closed")
        at += 1
        if tokens[at - 1] == "}":
            return Choice(tuple(options)), at


class Teller:
    """Tells one story.

    Parameters
    ----------
    rng : random.Random
        Only its `random()` is used: the one method whose numbers Python promises to keep between
        versions for a given integer seed.
    """

    def __init__(self, rng: random.Random) -> None:
        self._random = rng.random
        self.detail = 0.2 + self._random()  # how much this telling dwells on things
        self.cast: dict[str, Forms] = {}
        self.people: set[str] = set()
        self._mentioned: list[str] = []  # people named in the last sentence, in order
        self._used: set[str] = set()  # word-list entries already in the story
        self._paragraphs: list[list[str]] = [[]]

    # Choosing

    def chance(self, probability: float) -> bool:
        return self._random() < probability

    def pick(self, options: Sequence[T]) -> T:
        return options[int(self._random() * len(options))]

    def pick_fresh(self, options: Sequence[str]) -> str:
        """One of `options`, preferring what this story has not used yet."""
        for _ in range(4):
            option = self.pick(options)
            if option not in self._used:
                break
        self._used.add(option)
        return option

    def sample(self, options: Sequence[T], count: int) -> list[T]:
        """`count` different entries, in random order."""
        left = list(options)
        return [left.pop(int(self._random() * len(left))) for _ in range(min(count, len(left)))]

    # Telling

    def tell(self, *templates: str) -> None:
        """Add one of the templates, expanded, to the paragraph."""
        nodes = parse(self.pick_fresh(templates))
        self._paragraphs[-1].append(_tidy(self._expand(self._with_pronoun(nodes))))

    def maybe(self, probability: float, *templates: str) -> None:
        """`tell` with a probability, lower in a brief telling."""
        if self.chance(probability * self.detail):
            self.tell(*templates)

    def paragraph(self, probability: float = 0.75) -> None:
        """Start a paragraph, most of the time."""
        if self._paragraphs[-1] and self.chance(probability):
            self._paragraphs.append([])

    def say(self, role: str, *templates: str, mood: str = "say") -> None:
        """Direct speech of `role`, with one of several kinds of tag.

        `mood` is a key of `story_words.TAGS`.
        """
        pronoun = self._is_clear(role) and self.chance(0.5)
        words = _tidy(self.expand(self.pick_fresh(templates)))
        head, *rest = _SENTENCE_END.split(words, maxsplit=1)
        subject = self.cast[role]["he" if pronoun else ""]
        style = self._random()
        if style < 0.2:
            verb, manner = self._tag(mood, head)
            spoken = f'{subject} {verb}{manner}, "{words}"'
        elif style < 0.42 and mood in GESTURES:
            self.cast["self"] = self.cast[role]
            spoken = f'{subject} {self.expand(self.pick_fresh(GESTURES[mood]))}. "{words}"'
        elif rest and style < 0.85:
            spoken = f'"{_comma(head)}" {self._tagged(mood, head, subject, pronoun)}. "{rest[0]}"'
        else:
            spoken = f'"{_comma(words)}" {self._tagged(mood, words, subject, pronoun)}.'
        self._paragraphs[-1].append(_tidy(spoken))
        self._mentioned = [role]

    def _tag(self, mood: str, words: str) -> tuple[str, str]:
        """A verb of speech and its manner, such as ("said", " softly"), for the words beside it."""
        verb, _, manner = self.expand(self.pick(TAGS[_tag_list(mood, words)])).partition(" ")
        return verb, f" {manner}" if manner else ""

    def _tagged(self, mood: str, words: str, subject: str, pronoun: bool) -> str:
        verb, manner = self._tag(mood, words)
        before = pronoun or self.chance(0.4)
        return f"{subject} {verb}{manner}" if before else f"{verb} {subject}{manner}"

    def _is_clear(self, role: str) -> bool:
        """Whether a pronoun for `role` can only mean `role`."""
        he = self.cast[role]["he"]
        return role in self._mentioned and all(
            self.cast[other]["he"] != he for other in self._mentioned if other != role
        )

    def _with_pronoun(self, nodes: tuple[Node, ...]) -> tuple[Node, ...]:
        """Half of the time, "She ran" for a sentence "Mia ran" that follows one about Mia."""
        at = 2 if len(nodes) > 2 and isinstance(nodes[0], Word) and nodes[1] == " " else 0
        subject = nodes[at]
        follows = nodes[at + 1] if at + 1 < len(nodes) else ""
        if (
            isinstance(subject, Ref)
            and subject.role in self.people
            and not subject.form
            and not (isinstance(follows, str) and follows.startswith(_NAME_ONLY))
            and self._is_clear(subject.role)
            and self.chance(0.5)
        ):
            return (*nodes[:at], Ref(subject.role, "he"), *nodes[at + 1 :])
        return nodes

    def expand(self, template: str) -> str:
        """The text of a template, leaving who was mentioned last as it is."""
        mentioned = self._mentioned
        text = self._expand(parse(template))
        self._mentioned = mentioned
        return text

    def _expand(self, nodes: tuple[Node, ...]) -> str:
        mentioned_before, self._mentioned = self._mentioned, []
        text = "".join(self._write(nodes))
        self._mentioned = self._mentioned or mentioned_before
        return text

    def _write(self, nodes: tuple[Node, ...]) -> list[str]:
        out: list[str] = []
        for node in nodes:
            if isinstance(node, str):
                out.append(node)
            elif isinstance(node, Ref):
                out.append(self.cast[node.role][node.form])
                if node.role in self.people and node.role not in self._mentioned:
                    self._mentioned.append(node.role)
            elif isinstance(node, Word):
                out.extend(self._write(parse(self.pick_fresh(WORDS[node.name]))))
            else:
                out.extend(self._write(self.pick(node.options)))
        return out

    def count_words(self) -> int:
        return sum(sentence.count(" ") + 1 for part in self._paragraphs for sentence in part)

    def story(self) -> str:
        return "\n".join(" ".join(part) for part in self._paragraphs if part)


def _tag_list(mood: str, words: str) -> str:
    if words.endswith("?"):
        return "ask loudly" if mood in ("cry", "happy", "cross") else "ask"
    return "say" if mood == "ask" else mood


def _comma(words: str) -> str:
    return words[:-1] + "," if re.search(r"[^.]\.$", words) else words


def _tidy(text: str) -> str:
    """One space between words, a or an, capitals where sentences start."""
    text = " ".join(text.split()).replace(",,", ",")
    text = _VOWEL_SOUND.sub(r"\1n ", text)
    return _START.sub(lambda match: match[1].upper(), text)
