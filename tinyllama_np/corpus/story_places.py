"""Places of the embedded stories, and what may be so about their heroes.

A place: whom one may meet there (with the pronoun), spots where something may lie or hide, and
what can be seen going on. A trait: how it shows in the middle of a story and at its end.
"""

from __future__ import annotations

from typing import NamedTuple

from tinyllama_np.corpus.story_script import read_plots


class Place(NamedTuple):
    name: str  # "the park"
    at: str  # the preposition: "in"
    helpers: tuple[str, ...]  # "he park keeper"
    spots: tuple[str, ...]  # "under a bench"
    sights: tuple[str, ...]  # "two boys were racing their bikes"


class Trait(NamedTuple):
    start: str  # a verb phrase in the past: "liked to count things"
    middle: str  # a sentence, or ""
    end: str  # a sentence, or ""


def _read_places(script: str) -> list[Place]:
    return [
        Place(plot.name, plot.needs[0], *(tuple(step.lines[0].split(", ")) for step in plot.steps))
        for plot in read_plots(script)
    ]


def _read_traits(script: str) -> list[Trait]:
    traits = []
    for plot in read_plots(script):
        shown = {step.action: step.lines[0] for step in plot.steps}
        traits.append(Trait(plot.name, shown.get("middle", ""), shown.get("end", "")))
    return traits


TOWN = _read_places(
    """
# the park | in
@ met
- he park keeper, she old lady with a red umbrella, he ice cream man
@ spots
- under a bench, behind the fountain, beside the duck pond, under the slide, between the roots
  of a chestnut tree, in the rose bed
@ sights
- two boys were racing their bikes, a man was feeding the pigeons, somebody was flying a green
  kite, the ducks were squabbling over a crust

# the beach | at
@ met
- he fisherman, she woman with a straw hat, he lifeguard
@ spots
- behind a sand castle, under a striped towel, in a rock pool, between two rocks, beside an
  upturned boat, in a heap of seaweed
@ sights
- the waves rolled in and out, gulls were crying over the water, a family was eating melon, a
  white ship sailed far away

# the market | at
@ met
- he cheese seller, she flower seller, he baker
@ spots
- under the apple stall, behind a barrel of olives, between two crates, beside the flower stand,
  under a heap of cabbages, behind the fish cart
@ sights
- people were calling out their prices, a woman was tasting the plums, a brass band was playing,
  cheeses lay in rows like yellow moons

# the farm | on
@ met
- she farmer, he farmer's son, she milkmaid
@ spots
- behind the hay bales, in the chicken coop, under the tractor, beside the water trough, in an
  empty bucket, behind the barn door
@ sights
- the cows were chewing, a hen was leading her chicks, the rooster crowed though it was noon, a
  tractor hummed in the far field

# the school yard | in
@ met
- she teacher, he bus driver, she cook
@ spots
- under the climbing frame, behind the bike shed, beside the sandbox, under the stairs, in the
  long jump pit, next to the bins
@ sights
- some girls were skipping rope, the big kids were playing tag, somebody had drawn a chalk
  whale, a bell rang in the distance

# the lake | at
@ met
- he boatman, she lady with a telescope, he old man with a fishing rod
@ spots
- under the jetty, in the reeds, behind a boat house, beside a fallen log, under a canoe,
  between the cattails
@ sights
- a swan glided by, dragonflies zipped over the water, someone was rowing slowly, the water was
  as flat as glass

# the library | in
@ met
- she librarian, he old man with thick glasses, she student
@ spots
- under a table, behind a tall shelf, between two big atlases, beside the globe, under a
  cushion, in the box of lost things
@ sights
- it was so quiet that the clock sounded loud, a baby was chewing a picture book, a woman was
  reading to three children, dust danced in the light

# the town square | in
@ met
- he postman, she policewoman, he clockmaker
@ spots
- behind the statue, under a café table, beside the well, in a flower pot, on the steps of the
  town hall, under a parked cart
@ sights
- the clock struck ten, a juggler dropped one of his clubs, pigeons sat in a row on the roof,
  people hurried by with bags

# the garden | in
@ met
- she neighbor, he gardener, she beekeeper
@ spots
- under the rhubarb, behind the shed, in the watering can, between the bean poles, beside the
  compost, under a flower pot
@ sights
- bees were busy in the lavender, the washing flapped on the line, a blackbird tugged at a worm,
  the tomatoes were almost red

# the train station | at
@ met
- he train driver, she ticket lady, he man who sold newspapers
@ spots
- under a bench, behind a pile of trunks, beside the ticket window, in a phone box, next to the
  clock, under the stairs
@ sights
- a train puffed out, people waved with handkerchiefs, a loudspeaker crackled, a little dog sat
  waiting on a suitcase

# the toy shop | in
@ met
- she shopkeeper, he puppet maker, she lady with a stroller
@ spots
- under the counter, behind the rocking horse, between the board games, in a basket of puppets,
  beside the train set, behind a tower of blocks
@ sights
- a toy train ran in a circle, a clockwork bear beat a drum, marbles gleamed in a jar, a girl
  was choosing a puzzle
"""
)

# No place for storms, mud and climbing.
BUILT_UP = ("the library", "the toy shop", "the train station", "the market")

WILD = _read_places(
    """
# the forest | in
@ met
- she old owl, he woodpecker, she deer, he badger with a grey beard
@ spots
- under a fern, behind a mossy log, between two roots, in a hollow tree, beside a fairy ring,
  under a heap of leaves
@ sights
- a woodpecker was tapping, sunlight fell in stripes, mushrooms stood in a ring, acorns dropped
  one by one

# the meadow | in
@ met
- she grasshopper, he old hare, she butterfly, he donkey
@ spots
- under a dandelion, behind a stone wall, in the tall grass, beside a molehill, under a clump of
  clover, behind a thistle
@ sights
- the grass whispered, butterflies tumbled over the flowers, crickets were playing their music,
  a cloud shaped like a sheep went by

# the river | by
@ met
- he heron, she otter, he kingfisher, she old turtle
@ spots
- under the bridge, in the reeds, behind a smooth rock, beside a beaver dam, under a willow,
  between the lily pads
@ sights
- the water gurgled, silver fish flashed by, a leaf sailed past like a boat, mayflies danced in
  the sun

# the pond | by
@ met
- she wise toad, he snail, she goose, he newt
@ spots
- under a lily pad, in the mud, behind the bulrushes, beside a stone, under a rotten plank,
  between two roots
@ sights
- frogs were singing in three voices, ripples ran in rings, a beetle skated over the water,
  ducklings swam in a line

# the old barn | in
@ met
- he barn cat, she hen, he cart horse, she swallow
@ spots
- under the hay, behind a wheel, in a milk pail, beside the ladder, under an old coat, between
  two sacks of corn
@ sights
- light came through the cracks, a spider was mending her web, swallows flew in and out, it
  smelled of straw and apples

# the hill | on
@ met
- he goat, she eagle, he shepherd dog, she sheep
@ spots
- behind a big stone, under a thorn bush, in a small hollow, beside the path, under a juniper,
  between two rocks
@ sights
- one could see three villages, the wind combed the grass, sheep stood about like clouds, a
  buzzard circled high up

# the berry patch | in
@ met
- she blackbird, he bumblebee, she dormouse, he slow worm
@ spots
- under a leaf, behind the brambles, in a basket somebody forgot, beside a post, under the
  thickest bush, between the nettles
@ sights
- wasps were having a party, everything smelled sweet, the berries shone like beads, a blackbird
  had juice on his beak

# the beach | on
@ met
- he hermit crab, she seal, he seagull, she starfish
@ spots
- behind a rock, under driftwood, in a tide pool, beside a big shell, under the seaweed, in a
  sandy hole
@ sights
- the foam tickled the sand, a crab was blowing bubbles, gulls rode on the wind, shells lay
  about like tiny cups
"""
)

TRAITS = _read_traits(
    """
# liked to count things
@ middle
- [h] counted {to ten|the clouds|backwards from ten} to stay calm.
@ end
- [h.He] counted {the stars|the steps on the way home|all the good things of the day} and {lost
  count|got to a hundred|had to start again}.

# hummed when thinking
@ middle
- [h] hummed a {little|slow|funny} tune, as always when thinking.
@ end
- All the way home [h.he] hummed a new tune.

# asked a hundred questions a day
@ middle
- [h] had {ten|a hundred} questions, but for once [h.he] kept quiet.
@ end
- "{And why is the moon round|What shall we do tomorrow|Do fish sleep}?" asked [h], because
  there was always one more question.

# was always a bit hungry
@ middle
- [h.His] tummy {rumbled|growled}, but this was no time to eat.
@ end
- Then [h.he] ate <snack>, and {then some more|not one crumb was left}.

# collected round stones
@ middle
- [h] turned a round stone over and over in [h.his] pocket.
@ end
- [h.He] put one more stone into the collection, to remember the day.

# loved the color <color> more than any other
@ end
- The sky that evening was [h]'s favorite color, or almost.

# talked to the {trees|flowers|clouds}
@ middle
- "What would you do?" [h] asked the nearest tree. The tree only rustled.
@ end
- On the way home [h.he] told {the trees|every flower} all about it.

# was the {smallest|youngest} of {five|six|seven}
@ middle
- Being the smallest was not easy at such a time.
@ end
- That day the smallest one felt {very tall|ten feet tall|quite big}.

# never liked to wait
@ middle
- Waiting was hard for [h]. One minute felt like ten.
@ end
- It had been worth the wait.

# could {whistle|sing} like a bird
@ middle
- [h] tried to {whistle|sing}, but no sound came out.
@ end
- And [h.he] {whistled|sang} so well that {a bird answered|even the wind seemed to listen}.

# had a {very loud|very soft} voice
@ middle
- Nobody seemed to hear.
@ end
- And for once everybody heard what [h.he] said.

# liked to get up before everybody else
@ end
- The next morning [h.he] was up first, as always, and smiled at the sunrise.

# hated {mud|getting wet|getting dirty}
@ middle
- There was mud {everywhere|up to the knees}, but [h] did not even notice.
@ end
- [h.He] was dirty from top to toe and did not mind one bit.

# wanted to be {an explorer|a captain|a baker|a doctor|a painter} one day
@ middle
- "A real {explorer|captain|hero} would not give up," [h] thought.
@ end
- "I think I am ready for bigger adventures," [h.he] thought.

# drew pictures of everything
@ middle
- [h] wished there were time to draw it.
@ end
- That night [h.he] drew a picture of {it all|the whole day} and hung it over the bed.

# walked very slowly and saw everything
@ middle
- Because [h] walked so slowly, [h.he] noticed {a small track|something odd|what others had
  missed}.
@ end
- [h.He] walked home slowly, so that the day would last longer.

# gave a name to everything
@ middle
- [h] called {the wind Old Harry|the path Long Tom|the biggest tree Grandfather}, and felt less
  alone.
@ end
- And of course the day got a name too: {Good Friday Number Two|The Great Day|The Day of
  Surprises}.

# was {a bit|rather} clumsy
@ middle
- [h] {tripped over a root|bumped into a post|stepped on a twig. Crack!}
@ end
- On the way home [h.he] tripped only {once|twice}.

# laughed at almost everything
@ middle
- For once [h] did not feel like laughing.
@ end
- And [h] laughed until [h.his] tummy hurt.

# knew many {songs|rhymes|riddles}
@ middle
- [h] said a rhyme to keep {cheerful|brave}.
@ end
- [h.He] made up a little song about it, and soon everyone knew it by heart.

# always wore {a red cap|one green sock|a yellow raincoat|a blue scarf}

# was afraid of nothing, or so [h.he] said

# loved <snack> more than anything
@ end
- Then there was <snack> for everyone.

# dreamed of {flying|the sea|faraway places}
@ end
- That night [h.he] dreamed of it all over again.
"""
)
