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
from tinyllama_np.corpus.story_words import ANIMAL_NAMES, BOYS, GIRLS

PRONOUNS = {
    pronouns[0]: dict(zip(("he", "him", "his", "himself", "hers", "He", "His"), pronouns, strict=True))
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
    family: str  # its child's word for a young one


KINDS = [
    Kind(*row)
    for row in _rows(
        """
        rabbit | hopped | paws | burrow | clover | bunny
        fox | trotted | paws | den | blackberries | fox cub
        bear | lumbered | paws | cave | honey | bear cub
        mouse | scurried | paws | hole | cheese crumbs | mouse
        squirrel | scampered | paws | nest | hazelnuts | squirrel
        hedgehog | shuffled | paws | pile of leaves | windfall apples | hedgehog
        duck | waddled | wings | nest | duckweed | duckling
        frog | jumped | hands | lily pad | flies | frog
        turtle | plodded | feet | mud bank | lettuce | turtle
        otter | slid | paws | holt | river snails | otter pup
        beaver | paddled | paws | lodge | willow bark | beaver
        owl | fluttered | wings | hollow tree | beetles | owlet
        mole | tunnelled | paws | tunnel | worms | mole
        cat | padded | paws | basket | fish pie | kitten
        dog | trotted | paws | kennel | biscuits | puppy
        pig | trotted | trotters | sty | turnips | piglet
        goat | skipped | hooves | shed | thistles | kid
        lamb | skipped | hooves | fold | sweet grass | lamb
        pony | galloped | hooves | stable | carrots | foal
        penguin | waddled | flippers | snow nest | herring | penguin chick
        badger | shuffled | paws | sett | mushrooms | badger cub
        raccoon | crept | paws | den | corn | raccoon
        elephant | stomped | feet | clearing | bananas | elephant calf
        monkey | swung | hands | treetop | mangoes | monkey
        sparrow | fluttered | wings | nest | sunflower seeds | chick
        crab | scuttled | claws | rock pool | seaweed | crab
        koala | climbed | paws | gum tree | leaves | koala joey
        donkey | trotted | hooves | stall | oats | foal
        dragon | flapped | claws | cave | roasted chestnuts | dragon
        bat | flitted | wings | barn roof | moths | bat
        """
    )
]


class Place(NamedTuple):
    name: str  # "the park"
    at: str  # the preposition: "in"
    helpers: tuple[str, ...]  # who may be met there: "he old gardener"
    spots: tuple[str, ...]  # where a thing or a creature may hide
    sights: tuple[str, ...]  # what can be seen going on: "two boys were flying kites"


def _places(table: str) -> list[Place]:
    def cell(text: str) -> tuple[str, ...]:
        return tuple(part.strip() for part in text.split(",") if part.strip())

    return [
        Place(name, at, cell(helpers), cell(spots), cell(sights))
        for name, at, helpers, spots, sights in _rows(table)
    ]


# fmt: off
TOWN = _places("\n".join((
    "the park | in | he park keeper, she old lady with a red umbrella, he ice cream man | under a bench, behind the fountain, beside the duck pond, under the slide, between the roots of a chestnut tree, in the rose bed | two boys were racing their bikes, a man was feeding the pigeons, somebody was flying a green kite, the ducks were squabbling over a crust",
    "the beach | at | he fisherman, she woman with a straw hat, he lifeguard | behind a sand castle, under a striped towel, in a rock pool, between two rocks, beside an upturned boat, in a heap of seaweed | the waves rolled in and out, gulls were crying over the water, a family was eating melon, a white ship sailed far away",
    "the market | at | he cheese seller, she flower seller, he baker | under the apple stall, behind a barrel of olives, between two crates, beside the flower stand, under a heap of cabbages, behind the fish cart | people were calling out their prices, a woman was tasting the plums, a brass band was playing, cheeses lay in rows like yellow moons",
    "the farm | on | she farmer, he farmer's son, she milkmaid | behind the hay bales, in the chicken coop, under the tractor, beside the water trough, in an empty bucket, behind the barn door | the cows were chewing, a hen was leading her chicks, the rooster crowed though it was noon, a tractor hummed in the far field",
    "the school yard | in | she teacher, he bus driver, she cook | under the climbing frame, behind the bike shed, beside the sandbox, under the stairs, in the long jump pit, next to the bins | some girls were skipping rope, the big kids were playing tag, somebody had drawn a chalk whale, a bell rang in the distance",
    "the lake | at | he boatman, she lady with a telescope, he old man with a fishing rod | under the jetty, in the reeds, behind a boat house, beside a fallen log, under a canoe, between the cattails | a swan glided by, dragonflies zipped over the water, someone was rowing slowly, the water was as flat as glass",
    "the library | in | she librarian, he old man with thick glasses, she student | under a table, behind a tall shelf, between two big atlases, beside the globe, under a cushion, in the box of lost things | it was so quiet that the clock sounded loud, a baby was chewing a picture book, a woman was reading to three children, dust danced in the light",
    "the town square | in | he postman, she policewoman, he clockmaker | behind the statue, under a café table, beside the well, in a flower pot, on the steps of the town hall, under a parked cart | the clock struck ten, a juggler dropped one of his clubs, pigeons sat in a row on the roof, people hurried by with bags",
    "the garden | in | she neighbor, he gardener, she beekeeper | under the rhubarb, behind the shed, in the watering can, between the bean poles, beside the compost, under a flower pot | bees were busy in the lavender, the washing flapped on the line, a blackbird tugged at a worm, the tomatoes were almost red",
    "the train station | at | he train driver, she ticket lady, he man who sold newspapers | under a bench, behind a pile of trunks, beside the ticket window, in a phone box, next to the clock, under the stairs | a train puffed out, people waved with handkerchiefs, a loudspeaker crackled, a little dog sat waiting on a suitcase",
    "the toy shop | in | she shopkeeper, he puppet maker, she lady with a stroller | under the counter, behind the rocking horse, between the board games, in a basket of puppets, beside the train set, behind a tower of blocks | a toy train ran in a circle, a clockwork bear beat a drum, marbles gleamed in a jar, a girl was choosing a puzzle",
    "the snowy hill | on | he man with a sled, she skier, he shepherd | behind a snowman, under a fir tree, in a snowdrift, beside the fence, under a sled, behind a frozen bush | sleds whizzed down the slope, snow lay on every branch, somebody had built a crooked snowman, the air was full of tiny flakes",
)))
WILD = _places("\n".join((
    "the forest | in | she old owl, he woodpecker, she deer, he badger with a grey beard | under a fern, behind a mossy log, between two roots, in a hollow tree, beside a fairy ring, under a heap of leaves | a woodpecker was tapping, sunlight fell in stripes, mushrooms stood in a ring, acorns dropped one by one",
    "the meadow | in | she grasshopper, he old hare, she butterfly, he donkey | under a dandelion, behind a stone wall, in the tall grass, beside a molehill, under a clump of clover, behind a thistle | the grass whispered, butterflies tumbled over the flowers, crickets were playing their music, a cloud shaped like a sheep went by",
    "the river | by | he heron, she otter, he kingfisher, she old turtle | under the bridge, in the reeds, behind a smooth rock, beside a beaver dam, under a willow, between the lily pads | the water gurgled, silver fish flashed by, a leaf sailed past like a boat, mayflies danced in the sun",
    "the pond | by | she wise toad, he snail, she goose, he newt | under a lily pad, in the mud, behind the bulrushes, beside a stone, under a rotten plank, between two roots | frogs were singing in three voices, ripples ran in rings, a beetle skated over the water, ducklings swam in a line",
    "the old barn | in | he barn cat, she hen, he cart horse, she swallow | under the hay, behind a wheel, in a milk pail, beside the ladder, under an old coat, between two sacks of corn | light came through the cracks, a spider was mending her web, swallows flew in and out, it smelled of straw and apples",
    "the hill | on | he goat, she eagle, he shepherd dog, she sheep | behind a big stone, under a thorn bush, in a small hollow, beside the path, under a juniper, between two rocks | one could see three villages, the wind combed the grass, sheep stood about like clouds, a buzzard circled high up",
    "the berry patch | in | she blackbird, he bumblebee, she dormouse, he slow worm | under a leaf, behind the brambles, in a basket somebody forgot, beside a post, under the thickest bush, between the nettles | wasps were having a party, everything smelled sweet, the berries shone like beads, a blackbird had juice on his beak",
    "the beach | on | he hermit crab, she seal, he seagull, she starfish | behind a rock, under driftwood, in a tide pool, beside a big shell, under the seaweed, in a sandy hole | the foam tickled the sand, a crab was blowing bubbles, gulls rode on the wind, shells lay about like tiny cups",
)))
# fmt: on

# way it gets lost | noun | adjectives | play, played (with it) | p for plural
THINGS = _rows(
    """
    rolls | ball | red, striped, bouncy, shiny | bounce the ball | bounced the ball |
    rolls | marble | green, glass, lucky | roll the marble | rolled the marble |
    rolls | hoop | wooden, yellow, wide | spin the hoop | spun the hoop |
    rolls | ball of yarn | blue, woolly, soft | chase the ball of yarn | chased the ball of yarn |
    rolls | orange | sweet, round, juicy | toss the orange in the air | tossed the orange in the air |
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
    floats | rubber duck | yellow, squeaky, funny | splash with the rubber duck | splashed with the rubber duck |
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

# what is so about the hero | what this leads to in the middle | how it comes back at the end
TRAITS = _rows(
    """
    liked to count things | [h] counted {to ten|the clouds|backwards from ten} to stay calm. | [h.He] counted {the stars|the steps on the way home|all the good things of the day} and {lost count|got to a hundred|had to start again}.
    hummed when thinking | [h] hummed a {little|slow|funny} tune, as always when thinking. | All the way home [h.he] hummed a new tune.
    asked a hundred questions a day | [h] had {ten|a hundred} questions, but for once [h.he] kept quiet. | "{And why is the moon round|What shall we do tomorrow|Do fish sleep}?" asked [h], because there was always one more question.
    was always a bit hungry | [h.His] tummy {rumbled|growled}, but this was no time to eat. | Then [h.he] ate <snack>, and {then some more|not one crumb was left}.
    collected round stones | [h] turned a round stone over and over in [h.his] pocket. | [h.He] put one more stone into the collection, to remember the day.
    loved the color <color> more than any other | - | The sky that evening was [h]'s favorite color, or almost.
    talked to the {trees|flowers|clouds} | "What would you do?" [h] asked the nearest tree. The tree only rustled. | On the way home [h.he] told {the trees|every flower} all about it.
    was the {smallest|youngest} of {five|six|seven} | Being the smallest was not easy at such a time. | That day the smallest one felt {very tall|ten feet tall|quite big}.
    never liked to wait | Waiting was hard for [h]. One minute felt like ten. | It had been worth the wait.
    could {whistle|sing} like a bird | [h] tried to {whistle|sing}, but no sound came out. | And [h.he] {whistled|sang} so well that {a bird answered|even the wind seemed to listen}.
    had a {very loud|very soft} voice | Nobody seemed to hear. | And for once everybody heard what [h.he] said.
    liked to get up before everybody else | - | The next morning [h.he] was up first, as always, and smiled at the sunrise.
    hated {mud|getting wet|getting dirty} | There was mud {everywhere|up to the knees}, but [h] did not even notice. | [h.He] was dirty from top to toe and did not mind one bit.
    wanted to be {an explorer|a captain|a baker|a doctor|a painter} one day | "A real {explorer|captain|hero} would not give up," [h] thought. | "I think I am ready for bigger adventures," [h.he] thought.
    drew pictures of everything | [h] wished there were time to draw it. | That night [h.he] drew a picture of {it all|the whole day} and hung it over the bed.
    walked very slowly and saw everything | Because [h] walked so slowly, [h.he] noticed {a small track|something odd|what others had missed}. | [h.He] walked home slowly, so that the day would last longer.
    gave a name to everything | [h] called {the wind Old Harry|the path Long Tom|the biggest tree Grandfather}, and felt less alone. | And of course the day got a name too: {Good Friday Number Two|The Great Day|The Day of Surprises}.
    was {a bit|rather} clumsy | [h] {tripped over a root|bumped into a post|stepped on a twig. Crack!} | On the way home [h.he] tripped only {once|twice}.
    laughed at almost everything | For once [h] did not feel like laughing. | And [h] laughed until [h.his] tummy hurt.
    knew many {songs|rhymes|riddles} | [h] said a rhyme to keep {cheerful|brave}. | [h.He] made up a little song about it, and soon everyone knew it by heart.
    always wore {a red cap|one green sock|a yellow raincoat|a blue scarf} | - | -
    was afraid of nothing, or so [h.he] said | - | -
    loved <snack> more than anything | - | Then there was <snack> for everyone.
    dreamed of {flying|the sea|faraway places} | - | That night [h.he] dreamed of it all over again.
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
        moved, hands, home, food, young = ("walked", "hands", "house", "pancakes", noun)
        forms["feet"] = "shoes"
    else:
        kinds = [kind for kind in KINDS if kind.noun != teller.cast.get("h", {}).get("kind")]
        noun, moved, hands, home, food, young = teller.pick(kinds)
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


def cast_place(teller: Teller, *, human: bool, role: str = "p") -> None:
    """Cast a place, a helper who may be met there ("o") and three of its spots."""
    place = teller.pick(TOWN if human or teller.chance(0.1) else WILD)
    first, second, third = teller.sample(place.spots, 3)
    teller.cast[role] = {
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
    teller.cast["trait"] = {"": chosen, "middle": middle.strip("-"), "end": end.strip("-")}
