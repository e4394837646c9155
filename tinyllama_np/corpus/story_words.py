"""Word lists of the embedded stories: the ways to say a thing that every plot shares.

An entry is a template of `story_grammar`; entries are separated by ";". Verbs are in the past.
"""

from __future__ import annotations

import re


def _entries(text: str) -> tuple[str, ...]:
    return tuple(" ".join(entry.split()) for entry in text.split(";") if entry.strip())


GIRLS = _entries(
    """Mia; Lily; Anna; Zoe; Ruby; Nora; Ella; Tess; Ivy; Clara; Hana; Maya; Lola; Rosa; Edie;
    Greta; Juno; Kira; Lena; Mabel; Nina; Olive; Poppy; Priya; Sadie; Sofia; Tilly; Uma; Vera;
    Willa; Yara; Amara; Bea; Cleo; Dora; Elsie; Flora; Gemma; Hazel; Ines; Josie; Leila; Marta;
    Wren; Aisha; Bonnie; Carmen; Freya; Kavya; Mina"""
)
BOYS = _entries(
    """Ben; Tom; Max; Leo; Sam; Jack; Finn; Owen; Theo; Milo; Hugo; Eli; Oscar; Noah; Felix; Arlo;
    Dev; Emil; Gus; Ivan; Jonas; Kai; Luca; Mateo; Nils; Otto; Paul; Ravi; Simon; Toby; Victor;
    Walter; Yusuf; Abe; Bruno; Caleb; Dario; Ezra; Frank; Henry; Idris; Jamal; Karim; Louis;
    Marco; Ned; Pedro; Rowan; Stefan; Tariq"""
)
ANIMAL_NAMES = _entries(
    """Pip; Dot; Biscuit; Clover; Moss; Button; Pepper; Nutmeg; Hazelnut; Bramble; Pebble; Fern;
    Twig; Puddle; Tansy; Thistle; Sunny; Midge; Bumble; Coco; Domino; Fidget; Ginger; Huckle;
    Jingle; Kipper; Lark; Marble; Nibbles; Oats; Patch; Quill; Rusty; Scout; Truffle; Velvet;
    Whisk; Yarrow; Ziggy; Acorn; Barley; Crumb; Dandy; Ember; Flick; Gravel; Honey; Inky; Juniper;
    Mango; Noodle; Olly; Pickle; Radish; Sorrel; Tumble; Waffle; Bop; Minnow; Sprout"""
)


def _lists(text: str) -> dict[str, tuple[str, ...]]:
    """A list a paragraph: "name: entry; entry", further lines indented."""
    paragraphs = re.split(r"\n(?=\w)", text.strip())
    return {
        name: _entries(entries)
        for name, _, entries in (paragraph.partition(":") for paragraph in paragraphs)
    }


WORDS = _lists(
    """
one_day: one day,; one morning,; one {sunny|windy|cool|warm|cloudy|quiet} {day|morning|
    afternoon},; one {spring|summer|autumn} {day|morning|afternoon},; on {Monday|
    Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday},; early one morning,; one Saturday,; late
    one afternoon,; the day after {a big rain|the summer fair|a long holiday},; just after
    breakfast one day,; one day after {lunch|school|a nap},
then: then; after that,; next,; a moment later,; so; and so; at once,; right away,; soon,
suddenly: suddenly,; just then,; all at once,; all of a sudden,; out of nowhere,; at that very
    moment,; but then; without any warning,; before anyone could {blink|speak|move},
soon: soon; before long,; after a while,; in a little while,; a few minutes later,; not long
    after that,; by {lunchtime|noon|teatime},; an hour later,; in no time at all,; when the sun
    was high,
finally: finally,; at last,; in the end,; after a long time,; when it was almost dark,
next_day: the next {day|morning},; when morning came,; the following day,; two days later,;
    early the next morning,; a week later,; the day after that,
happy: happy; glad; so happy; very happy; full of joy; as happy as {a lark|could be}; delighted;
    cheerful; pleased; warm inside; light as a feather; proud and happy
felt_happy: [h.his] heart {felt light|sang|jumped for joy|felt warm}; [h] {smiled from ear to
    ear|laughed out loud|danced on the spot|clapped [h.his] [h.hands]|beamed|grinned}; [h] felt
    <happy>; [h] was <happy>; a {big|huge|wide} smile spread over [h]'s face; [h.he] could not
    stop {smiling|grinning}
sad: sad; very sad; unhappy; miserable; so sad that nothing seemed fun; gloomy; sorry and sad
felt_sad: [h] felt <sad>; [h] was <sad>; {a tear rolled|two big tears rolled|tears ran} down
    [h]'s {cheek|nose|face}; [h.his] {lip|chin} began to {tremble|shake|wobble}; [h] wanted to
    cry; there was a {lump in [h]'s throat|heavy feeling in [h]'s tummy}; [h] sat down and
    {cried|sobbed| sighed}; [h.his] heart sank; [h] hung [h.his] head
scared: scared; afraid; frightened; very scared; nervous; shaky; worried
felt_scared: [h] was <scared>; [h.his] {knees|legs} {shook|felt like jelly|trembled}; [h]'s
    heart {beat|thumped|pounded} {fast|hard|like a drum}; [h] {gulped|swallowed hard|held
    [h.his] breath|froze}; [h] felt <scared>; a shiver ran down [h]'s back
felt_sorry: [h] felt {bad|awful|terrible|very small|guilty}; [h]'s {cheeks|ears} turned {red|
    hot}; [h] knew [h.he] had done something wrong; a bad feeling grew in [h]'s {tummy|chest};
    [h] wished [h.he] could {start the day again|turn back the clock|hide under a rock}
little: little; small; tiny; young; cheerful; curious; kind; shy; clever; brave; quiet; playful;
    gentle; funny; friendly; merry; busy; dreamy; lively; stubborn; thoughtful; polite; careful;
    lonely
home_in: in a {small|tiny|crooked|yellow|green|narrow} house {by the sea|near the woods|at the
    end of a lane|on a hill|next to a bakery|beside a railway|at the edge of town}; in a {busy|
    quiet|sleepy|windy} {town|village}; on a {farm|little farm|sheep farm|boat}; in a
    {tall|noisy| brick} building in the city; above {a shop|a bakery|a toy shop|a bookshop}; in
    a village {by a river|between two hills|under a mountain|where it often rained}; near {a
    lake|an old mill|a windmill|a lighthouse}; on {Maple|Cherry|River|Station|Hill} Street
animal_home_in: in a {deep|green|shady|quiet|large} {forest|wood}; {under|beside|near} an old
    {oak|pine|willow|apple tree}; at the edge of a {meadow|field|forest|marsh}; by a {slow|wide|
    bubbling|clear} {river|stream|brook}; on a {grassy|rocky|sunny} hill; in a {sunny|wild|
    forgotten} garden; behind a {barn|mill|hay shed}; near a {pond|lake|waterfall} full of
    {lilies| reeds|frogs}; among the {ferns|blackberry bushes|tall grasses}
dear: my dear; sweetheart; little one; [h]; dear; [h] dear
hurray: Hurray!; Hooray!; Yes!; Look!; Yippee!; I can't believe it!; Oh, look!
yes: Yes; Of course; Sure; All right; Okay; Yes, please; That sounds good
walked: walked; went; strolled; wandered; marched; set off
thought: [h] {thought|thought hard|thought for a while|sat down to think|scratched [h.his]
    head|closed [h.his] eyes and thought}; [h] rubbed [h.his] {chin|nose} and thought
hugged: {hugged|gave a big hug to|put an arm around|squeezed|snuggled up to}
snack: {a slice|two slices} of {apple pie|melon|bread and butter|carrot cake}; {warm|hot} {soup|
    milk|cocoa|pancakes}; {oat|ginger|butter} cookies; a bowl of
    {berries|porridge|noodles|rice}; {sweet plums|ripe pears|roasted nuts|jam sandwiches|corn
    bread|honey cakes}
odd_find: an old {glove|sock|spoon|boot|coin}; a {bottle cap|broken pencil|bent nail|blue
    feather}; a {sleepy|cross|surprised} {snail|beetle|toad|spider}; some {dry
    leaves|dust|wet grass| pebbles}; half a {sandwich|cookie|pinecone}; a {shiny wrapper|rusty
    tin|tangle of string}; {three|four|two} {ants|acorns|snail shells|seeds}
color: red; blue; yellow; green; purple; orange; white; gold; pink; silver; brown
sky: the sky was {blue|clear|grey|pink|full of small clouds|as blue as paint}; the sun {was
    shining|peeped through the clouds|shone brightly|was warm}; a {soft|cool|warm|salty}
    {wind|breeze} {was blowing|blew}; the air smelled of {rain|grass|pine|bread|flowers|wood
    smoke}; {birds were singing|bees were humming|leaves were falling|the grass was wet|dew lay
    on the ground|fog lay over the fields|clouds were drifting by|puddles lay everywhere}
bedtime: that night,; at bedtime,; when the stars came out,; that evening,; when it got dark,;
    before [h.he] fell asleep,; under the warm blanket,; as the moon rose,
"""
)

TAGS: dict[str, tuple[str, ...]] = {
    "say": ("said", "said", "said", "said", "said softly", "said kindly"),
    "ask": ("asked", "asked", "asked", "asked {softly|quietly}"),
    "ask loudly": ("asked", "asked", "cried", "called"),
    "cry": ("cried", "shouted", "called", "yelled", "called loudly"),
    "happy": (
        "said",
        "said happily",
        "cried",
        "laughed",
        "said with a {smile|grin|laugh}",
        "cheered",
    ),
    "sad": (
        "said",
        "said sadly",
        "sobbed",
        "sighed",
        "said in a {small|quiet|shaky} voice",
        "sniffed",
    ),
    "cross": ("said", "snapped", "said crossly", "shouted", "grumbled", "huffed"),
    "whisper": ("whispered", "whispered", "said quietly", "said in a {low|tiny|soft} voice"),
    "answer": ("said", "answered", "replied", "said", "explained", "said {gently|kindly|calmly}"),
}

GESTURES: dict[str, tuple[str, ...]] = {
    "say": ("nodded", "looked around", "stopped", "pointed", "turned around", "took a deep breath"),
    "happy": (
        "smiled",
        "laughed",
        "jumped up and down",
        "clapped [self.his] [self.hands]",
        "spun around",
        "grinned",
        "could hardly stand still",
        "giggled",
    ),
    "sad": (
        "looked down at [self.his] [self.feet]",
        "wiped [self.his] {eyes|nose}",
        "sniffed",
        "shook [self.his] head",
        "sighed",
        "rubbed [self.his] eyes",
    ),
    "cross": ("frowned", "stamped [self.his] foot", "turned away", "made a face", "scowled"),
    "answer": (
        "smiled",
        "thought for a moment",
        "{nodded|nodded slowly}",
        "bent down",
        "winked",
        "scratched [self.his] {head|chin}",
        "patted [self.his] knee",
    ),
}
