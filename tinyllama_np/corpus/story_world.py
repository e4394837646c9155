"""Who and what the embedded stories are about: children, animals, grown-ups, places, things.

Each `cast_*` function chooses one and puts it into the teller's cast as a table of forms. What
belongs together stays together: an animal lives where its kind lives, a place has its own hiding
places and helpers, a thing is lost in the way such a thing can be lost.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from tinyllama_np.corpus.story_grammar import Teller
from tinyllama_np.corpus.story_places import BUILT_UP, TOWN, TRAITS, WILD
from tinyllama_np.corpus.story_words import ANIMAL_NAMES, BOYS, GIRLS

PRONOUNS = {
    pronouns[0]: dict(
        zip(("he", "him", "his", "himself", "hers", "He", "His"), pronouns, strict=True)
    )
    for pronouns in (
        ("she", "her", "her", "herself", "hers", "She", "Her"),
        ("he", "him", "his", "himself", "his", "He", "His"),
    )
}


def _rows(table: str) -> list[list[str]]:
    """Cells between " | "; a "|" without blanks belongs to a template."""
    return [
        [cell.strip() for cell in re.split(r" \|(?: |$)", line.strip())]
        for line in table.splitlines()
        if line.strip()
    ]


class Kind(NamedTuple):
    """A kind of animal: how it moves, what it has for hands, where it lives, what it eats."""

    noun: str
    moved: str
    hands: str
    home: str
    food: str


KINDS = [
    Kind(*row)
    for row in _rows(
        """
        rabbit | hopped | paws | burrow | clover
        fox | trotted | paws | den | blackberries
        bear | lumbered | paws | cave | honey
        mouse | scurried | paws | hole | cheese crumbs
        squirrel | scampered | paws | nest | hazelnuts
        hedgehog | shuffled | paws | pile of leaves | windfall apples
        duck | waddled | wings | nest | duckweed
        frog | jumped | hands | lily pad | flies
        turtle | plodded | feet | mud bank | lettuce
        otter | slid | paws | holt | river snails
        beaver | paddled | paws | lodge | willow bark
        owl | fluttered | wings | hollow tree | beetles
        mole | tunnelled | paws | tunnel | worms
        cat | padded | paws | basket | fish pie
        dog | trotted | paws | kennel | biscuits
        pig | trotted | trotters | sty | turnips
        goat | skipped | hooves | shed | thistles
        lamb | skipped | hooves | fold | sweet grass
        pony | galloped | hooves | stable | carrots
        penguin | waddled | flippers | snow nest | herring
        badger | shuffled | paws | sett | mushrooms
        raccoon | crept | paws | den | corn
        elephant | stomped | feet | clearing | bananas
        monkey | swung | hands | treetop | mangoes
        sparrow | fluttered | wings | nest | sunflower seeds
        crab | scuttled | claws | rock pool | seaweed
        koala | climbed | paws | gum tree | leaves
        donkey | trotted | hooves | stall | oats
        dragon | flapped | claws | cave | roasted chestnuts
        bat | flitted | wings | barn roof | moths
        """
    )
]


# way it gets lost | noun | adjectives | play, played (with it) | p for plural
THINGS = _rows(
    """
    rolls | ball | red, striped, bouncy, shiny | bounce the ball | bounced the ball |
    rolls | marble | green, glass, lucky | roll the marble | rolled the marble |
    rolls | hoop | wooden, yellow, wide | spin the hoop | spun the hoop |
    rolls | ball of yarn | blue, woolly, soft | chase the ball of yarn | chased the ball of yarn |
    rolls | orange | sweet, round, juicy | toss the orange | tossed the orange |
    rolls | coin | golden, old, shiny | spin the coin | spun the coin |
    rolls | wheel | little, wooden, red | push the wheel | pushed the wheel |
    blows | kite | red, paper, dragon-shaped, blue | fly the kite | flew the kite |
    blows | hat | straw, floppy, green, pointed | wear the hat | wore the hat |
    blows | balloon | yellow, round, silver | hold the balloon | held the balloon |
    blows | scarf | woolly, long, striped, soft | wave the scarf | waved the scarf |
    blows | paper plane | white, speedy, folded | throw the paper plane | threw the paper plane |
    blows | ribbon | silky, purple, long | twirl the ribbon | twirled the ribbon |
    blows | map | old, crinkly, painted | read the map | read the map |
    blows | feather | white, soft, striped | blow the feather | blew the feather |
    floats | boat | wooden, toy, tiny, blue | sail the boat | sailed the boat |
    floats | paper boat | white, folded, little | float the paper boat | floated the paper boat |
    floats | rubber duck | yellow, squeaky, funny | tow the rubber duck | towed the rubber duck |
    floats | raft | tiny, leafy, wobbly | push the raft | pushed the raft |
    floats | bucket | red, tin, round | fill the bucket | filled the bucket |
    slips | key | little, brass, old | turn the key in the light | turned the key in the light |
    slips | ring | silver, thin, sparkly | try on the ring | tried on the ring |
    slips | button | golden, blue, big | polish the button | polished the button |
    slips | whistle | tin, loud, wooden | blow the whistle | blew the whistle |
    slips | shell | pink, curly, smooth | listen to the shell | listened to the shell |
    slips | bell | small, silver, clear | ring the bell | rang the bell |
    slips | pebble | smooth, spotted, lucky | rub the pebble | rubbed the pebble |
    slips | beads | red, glass, pretty | count the beads | counted the beads | p
    slips | crayons | new, bright, waxy | draw with the crayons | drew with the crayons | p
    slips | mittens | knitted, warm, red | wear the mittens | wore the mittens | p
    left | teddy bear | brown, fluffy, old | hug the teddy bear | hugged the teddy bear |
    left | doll | rag, smiling, little | dress the doll | dressed the doll |
    left | book | thick, blue, picture | look at the book | looked at the book |
    left | drum | loud, tin, round | play the drum | played the drum |
    left | basket | woven, round, brown | carry the basket | carried the basket |
    left | blanket | soft, blue, patched | cuddle the blanket | cuddled the blanket |
    left | toy train | long, black, wooden | pull the toy train | pulled the toy train |
    left | truck | yellow, dusty, toy | push the truck | pushed the truck |
    left | flute | wooden, thin, sweet | play the flute | played the flute |
    left | lantern | paper, bright, little | light the lantern | lit the lantern |
    left | boots | rubber, yellow, shiny | stomp in the boots | stomped in the boots | p
    left | paints | bright, new, runny | use the paints | used the paints | p
    left | spyglass | brass, long, old | look through the spyglass | looked through the spyglass |
    left | puppet | sock, funny, green | play with the puppet | played with the puppet |
    """
)


def cast_hero(teller: Teller, role: str = "h", *, human: bool | None = None) -> bool:
    """Cast a child or a young animal; returns whether it is human.

    A second character (`role` "f") is usually of the other gender, so that pronouns stay clear,
    and never has the hero's name.
    """
    if human is None:
        human = teller.chance(0.55)
    gender = teller.pick(("he", "she"))
    if role != "h" and teller.chance(0.8):
        gender = "she" if teller.cast["h"]["he"] == "he" else "he"
    names = (GIRLS if gender == "she" else BOYS) if human else ANIMAL_NAMES
    name = teller.pick([name for name in names if name != teller.cast.get("h", {}).get("")])
    forms = {"": name, **PRONOUNS[gender]}
    if human:
        noun = "girl" if gender == "she" else "boy"
        moved, hands, home, food = ("walked", "hands", "house", "pancakes")
        forms["feet"] = "shoes"
    else:
        kinds = [kind for kind in KINDS if kind.noun != teller.cast.get("h", {}).get("kind")]
        noun, moved, hands, home, food = teller.pick(kinds)
        forms["feet"] = "feet"
    forms |= {"kind": noun, "moved": moved, "hands": hands, "home": home, "food": food}
    _put(teller, role, forms)
    return human


def _put(teller: Teller, role: str, forms: Mapping[str, str]) -> None:
    teller.cast[role] = forms
    teller.people.add(role)


def cast_parent(teller: Teller, *, human: bool) -> None:
    """Cast a grown-up of the hero's family as "m"; "[m.call]" is how the hero calls them."""
    his = teller.cast["h"]["his"]
    gender = teller.pick(("she", "she", "he"))
    if human:
        women, men = ("Mom", "Mom", "Mama", "Grandma", "Auntie"), ("Dad", "Dad", "Papa", "Grandpa")
        call = teller.pick(women if gender == "she" else men)
        noun = {"Auntie": "aunt", "Mama": "mother", "Papa": "father"}.get(call, call.lower())
        name = f"{his} {noun}"
    else:
        call = teller.pick(("Mama", "Grandma") if gender == "she" else ("Papa", "Grandpa"))
        name = f"{call} {teller.cast['h']['kind'].capitalize()}"
    forms = {"": name, "call": call, "hands": teller.cast["h"]["hands"], "feet": "feet"}
    _put(teller, "m", {**forms, **PRONOUNS[gender]})


def cast_place(teller: Teller, *, human: bool, outdoors: bool = False) -> None:
    """Cast a place "p" with three of its spots, and a helper "o" who may be met there."""
    places = TOWN if human or teller.chance(0.1) else WILD
    place = teller.pick([p for p in places if not (outdoors and p.name in BUILT_UP)])
    first, second, third = teller.sample(place.spots, 3)
    teller.cast["p"] = {
        "": place.name,
        "in": f"{place.at} {place.name}",
        "to": f"to {place.name}",
        "spot": first,
        "spot2": second,
        "spot3": third,
        "sight": teller.pick(place.sights),
    }
    gender, _, noun = teller.pick(place.helpers).partition(" ")
    forms = {"": f"the {noun}", "a": f"a {noun}", "hands": "hands", "feet": "feet"}
    _put(teller, "o", {**forms, **PRONOUNS[gender]})


def cast_thing(teller: Teller, role: str = "t", ways: tuple[str, ...] = ()) -> str:
    """Cast a thing; returns the way in which it can get lost.

    The forms "it", "they", "was", "is", "them" and "one" agree in number.
    """
    rows = [row for row in THINGS if not ways or row[0] in ways]
    rows = [row for row in rows if row[1] != teller.cast.get("t", {}).get("noun")]
    way, noun, adjectives, use, used, plural = teller.pick(rows)
    adjective, other = teller.sample([word.strip() for word in adjectives.split(",")], 2)
    forms = {"": f"the {noun}", "noun": noun, "adj": adjective, "use": use, "used": used}
    if plural:
        forms |= {"a": f"some {adjective} {noun}", "it": "them", "they": "they", "was": "were"}
        forms |= {"is": "are", "has": "have", "this": "these", "They": "They", "s": ""}
    else:
        forms |= {"a": f"a {adjective} {noun}", "it": "it", "they": "it", "was": "was"}
        forms |= {"is": "is", "has": "has", "this": "this", "They": "It", "s": "s"}
    forms |= {"full": f"the {adjective} {noun}", "other": other}
    teller.cast[role] = forms
    return way


def cast_trait(teller: Teller) -> None:
    """Cast something that is so about the hero: "[trait]", "[trait.middle]", "[trait.end]"."""
    start, middle, end = teller.pick(TRAITS)
    chosen = teller.expand(start)  # once, so that it stays the same color
    teller.cast["trait"] = {"": chosen, "middle": middle, "end": end}
