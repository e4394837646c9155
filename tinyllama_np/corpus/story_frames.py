"""What all plots of the embedded stories share: openings, asides, comforting, morals and ends."""

from __future__ import annotations

from tinyllama_np.corpus.story_grammar import Teller
from tinyllama_np.corpus.story_script import Passage, read_plots

LINES = {
    plot.name: plot.steps[0].lines
    for plot in read_plots(
        """
# opening
@ tell
- {once upon a time|once|long ago}, there {was|lived} a <little> [h.kind] {named|called} [h].
  [h.He] lived [home.in].
- once upon a time, [home.in], there {was|lived} a <little> [h.kind] {named|called} [h].
- once upon a time, there was a <little> [h.kind] named [h] who [trait].
- there once was a [h.kind] {named|called} [h] who [trait].
- [home.in] lived a <little> [h.kind] {named|called|by the name of} [h].
- [h] was a <little> [h.kind] who lived [home.in].
- [h] the [h.kind] [trait]. [h.He] lived [home.in] with {[m]|[m] and {two|three}
  {brothers|sisters|cousins}|all [h.his] family}.
- a <little> [h.kind] {named|called} [h] lived [home.in].
- in {all the land|the whole world|the whole valley} there was no [h.kind] like [h], who
  [trait].
- [h] [trait]. Everyone who lived nearby knew that about the <little> [h.kind].
- [m] always said that [h] was {the best [h.kind] in the world|one of a kind|a {very|rather}
  <little> [h.kind]}. ^[h.he] lived [home.in] and [trait].
- have you heard about [h]? [h.He] was a <little> [h.kind] who lived [home.in].
- this is the story of [h], a <little> [h.kind] who [trait].
- once there {was|lived} a <little> [h.kind] [home.in]. [h.His] name was [h], and [h.he]
  [trait].
- {many years ago|not long ago|not so very long ago|a long time ago}, a [h.kind] named [h] lived
  [home.in].
- [h] the <little> [h.kind] and [m] lived [home.in].

# trait
@ tell
- [h] [trait].
- [h.he] [trait], and {everybody|the whole family|[m]} knew it.
- there was one {special|important} thing about [h]: [h.he] [trait].
- like nobody else, [h] [trait].

# trait comment
@ tell
- nobody minded.
- it made [m] {smile|laugh|sigh}.
- that was just how [h.he] was.
- [m] {did not know where [h.he] got it from|said it ran in the family}.

# scene
@ tell
- <sky>.
- <sky>, and [p.sight].
- <sky> and <sky>.
- that day [p.sight].
- [p.sight], and <sky>.
- in the distance {a dog barked|a bell rang|someone laughed}.
- it was {a perfect day to be outside|a day like any other|the kind of day when anything can
  happen}.

# go
@ tell
- <one_day> [h] <walked> [p.to].
- <one_day> [h] [h.moved] all the way [p.to].
- <one_day> [h] and [m] <walked> [p.to] together.
- <one_day> [m] took [h] [p.to].
- <one_day> [h] was {playing|alone|out and about|busy} [p.in].
- it was {Monday|Friday|Sunday|market day|a holiday|the first day of spring}, and [h] was
  [p.in].
- [h] loved to go [p.to]. <one_day> [h.he] went there {again|after breakfast|all by
  [h.himself]}.
- nowhere did [h] feel better than [p.in], and <one_day> [h.he] {was there again|went there
  early}.
- "{Shall we|Why don't we} go [p.to]?" asked [m] one {morning|afternoon|day}. ^[h] was
  {out of the door|ready} in a {minute|wink}.

# aside
@ tell
- a {ladybug|butterfly|moth} landed on [h]'s {nose|head|shoulder} and flew off again.
- somewhere {a bird|a frog|a cricket} was singing{| as if nothing had happened}.
- a {cloud|shadow|gust of wind} passed over [h].
- the minutes went by {slowly|like snails}.
- [h] took a {deep|long} breath.
- far away, {a clock struck {two|three|four}|a door slammed|a train whistled}.
- {two|three} {sparrows|crows|pigeons} watched from {above|a wall|a branch} and {said
  nothing|chattered}.
- everything was {very quiet|still} for a moment.
- nobody {said a word|spoke} for a while.

# comfort act
@ tell
- [w] <hugged> [h].
- [w] {sat down|knelt down} {next to|beside} [h].
- [w] {wiped away|dried} [h]'s tears.
- [w] {stroked|patted} [h]'s head.
- [w] {waited until|stayed until} [h] had {calmed down|finished crying}.

# comfort
@ say
- Don't {cry|worry|be sad}, <dear>. {We will think of something.|It will be all right.|Tomorrow
  is a new day.|I am here.}
- It's all right, <dear>. {Everybody makes mistakes.|These things happen.|We will fix it
  together.}
- There, there. {Tell me all about it.|Let's take it one step at a time.|You are not alone.}
- I know how you feel. {The same thing happened to me once.|I was small once, too.}
- Hush now, <dear>. {Things look worse than they are.|Every storm ends.|A good cry helps, and
  then we think.}

# moral said
@ say
- ^[lesson].
- I think that [lesson].
- Remember, [lesson].

# moral
@ tell
- [h] {had learned|learned|learned that day} that [lesson].
- from {then on|that day on}, [h] {knew|never forgot|remembered} that [lesson].
- and [h] {understood|knew} now that [lesson].
- that was the day when [h] {found out|learned} that [lesson].
- [h] thought about it for a long time: [lesson].
- [m] was proud, because [h] had {understood|learned} that [lesson].
- {years later|much later}, when [h] told the story, [h.he] always ended like this: [lesson].
- since then, [h] tells everyone that [lesson].
- it is true: [lesson].

# close
@ tell
- <bedtime> [h] told [m] the whole story{| twice| from beginning to end}.
- <bedtime> [h] {thought of it all and smiled|could not sleep for joy|lay awake for a while and
  smiled}.
- that night [h] slept {very well|like a stone|with a smile}.
- <bedtime> [m] {gave [h] a kiss|tucked [h] in} and said, "{Good night|Sleep well|Sweet dreams},
  <dear>."
- it had been {the best|a long but good|quite a} day.
- and they all {went home|had <snack>} {together|and were happy|and laughed a lot}.
- then it was time to go home, where [m] had made <snack>.
- <felt_happy>.
- back in the [h.home], [m] was waiting with a {lamp|warm blanket|big hug}.
- that night [h] dreamed of [h.food]{ and the {sea|moon}|, of course|, and smiled}.
- what a day it had been!
- and if you {go|come} [p.to] today, you {may|might} see [h] there.
- that is how it {happened|was}, and {not one word is made up|the crows still talk about it}.
- and they lived {happily|in peace} ever after.
- the end.

# joy
@ tell
- <felt_happy>.
- <felt_happy>. What a good {day|feeling} it was!
- everyone {clapped|cheered|laughed}.
- {what fun it was|how happy they were|what a feeling that was}!
- [h] {danced|skipped|ran} {in a circle|around and around|from one end to the other}.
- there was a lot of {laughing|hugging|cheering}.
"""
    )
}


def opening(t: Teller) -> None:
    """Introduce the hero: who, where, and what is so about the hero."""
    t.tell(*LINES["opening"])
    if t.cast["trait"][""] not in t.story():
        t.maybe(0.5, *LINES["trait"])
    else:
        t.maybe(0.2, *LINES["trait comment"])
    t.paragraph(0.6)


def scene(t: Teller, arguments: tuple[str, ...]) -> None:
    """Weather, or what goes on at the place."""
    t.maybe(0.7, *LINES["scene"])


def go_there(t: Teller, arguments: tuple[str, ...]) -> None:
    """The hero comes to the place."""
    t.tell(*LINES["go"])
    scene(t, arguments)


def aside(t: Teller, arguments: tuple[str, ...]) -> None:
    """A short turn that the hero's nature explains, or a small thing by the way."""
    if not t.chance(0.5 * t.detail):
        return
    middle = t.cast["trait"]["middle"]
    if middle and t.cast["trait"][""] in t.story() and t.chance(0.75):
        t.tell(middle)
        t.cast["trait"] = {**t.cast["trait"], "middle": ""}
    else:
        t.tell(*LINES["aside"])


def comfort(t: Teller, arguments: tuple[str, ...]) -> None:
    """The role named in the script consoles the hero."""
    t.cast["w"] = t.cast[arguments[0]]
    t.maybe(0.5, *LINES["comfort act"])
    t.say(arguments[0], *LINES["comfort"], mood="answer")


def joy(t: Teller, arguments: tuple[str, ...]) -> None:
    """A short joyful moment."""
    t.maybe(0.8, *LINES["joy"])


def ending(t: Teller, lessons: tuple[str, ...]) -> None:
    """Perhaps a moral, perhaps what is so about the hero, perhaps the day's end."""
    last = t.cast["trait"]["end"]
    with_trait = bool(last) and t.cast["trait"][""] in t.story() and t.chance(0.5)
    with_moral = t.chance(0.6)
    if with_moral:
        t.cast["lesson"] = {"": t.expand(t.pick(lessons))}
        if t.chance(0.22):
            t.say(t.pick(("m", "h")), *LINES["moral said"], mood="answer")
        else:
            t.tell(*LINES["moral"])
    if with_trait:
        t.tell(last)
    if not (with_moral or with_trait) or t.chance(0.2):
        t.tell(*LINES["close"])


PASSAGES: dict[str, Passage] = {
    "scene": scene,
    "go": go_there,
    "aside": aside,
    "comfort": comfort,
    "joy": joy,
    "end": ending,
}
