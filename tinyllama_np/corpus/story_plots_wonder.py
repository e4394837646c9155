"""Plots of the embedded stories: wishes, riddles, seeds and skills.

The marks are explained in `story_script`.
"""

from __future__ import annotations

SCRIPT = """
# The wish | t:slips,left
@ let q
- everything [h.he] touched should turn to cake / the door turned to cake, and so did the spoon
  and the soap / [h.his] pillow turned to cake, too, and there were crumbs in [h.his] ears
- it should be summer for ever / the snow melted, and the sun did not go down any more / nobody
  could sleep, and the flowers hung their heads
- [h.he] should be as big as a house / [h.he] grew through the roof, like a tree / there was no
  bed big enough, and no friend could hear [h.him]
- nobody should ever say no to [h.him] / everyone said yes, all day long / nobody said what they
  really thought, and that was boring
- [h.he] should never have to sleep / [h.he] played all night long / the nights were long and
  dark, and there was nobody to play with
- all the toys in the world should be [h.hers] / toys came through the window, through the
  chimney and under the door / there was no room left to play
- [h.he] should be able to fly like a swallow / up [h.he] went, over the roofs / [h.he] could
  not get down again, and it was cold up there
- it should rain lemonade / down it came, yellow and sticky / everything stuck to everything,
  and the bees were everywhere
@ run go
@ tell
- there, [p.spot], [h] found [t.a]. {It was warm to the touch|It glowed a little}.
- [p.spot] something {glowed|hummed softly}. It was [t.a] {nobody had ever seen before|that
  nobody seemed to miss}.
@ tell
- when [h] {rubbed|lifted|shook} [t.it], a {tiny|thin|creaky} voice said, "You have one wish.
  {Think well|Choose with care}!"
- "One wish," {said|squeaked} a voice {from inside|out of nowhere}. "One and no more."
@ tell
- [h] did not think {long|twice}. [h.He] wished that [q].
- quick as {a flash|lightning}, [h] wished that [q].
@ tell
- and so it {was|happened}: [q.2]. {Hurray|What fun}!
- {boom|pop|puff}! [q.2]. At first [h] was <happy>.
@ para
@ tell
- but {soon|by evening|after a while}, [q.3].
- the trouble was {this|only}: [q.3].
@ tell
- <felt_sad>.
- "I don't like this {any more|after all}," said [h].
- [h] {missed|thought of} [m] and {everyday things|soup and ordinary days}.
@ run aside
@ say h sad
- Please, {little voice|whoever you are}, {take it back!|I want things as they were!}
- I made a mistake! {Can I undo it?|Is there a way back?}
@ say m answer
- Wishes can be given away. {Who needs one more than you do?|Give it back with a kind heart.}
- Perhaps {it must be put|you must put it} back where you found it, {and say thank you|and
  without looking back}.
@ tell
- so [h] carried [t] back and {laid|put} [t.it] down [p.spot], {just as before|where [t.they]
  had been}. {One, two, three|Whoosh}! Everything was {as it had been|normal again}.
- [h] {closed [h.his] eyes|held [t] tight} and said, "I wish for {nothing at all|everything to
  be as it was}." And when [h.he] {opened [h.his] eyes again|looked up}, it was so.
@ tell
- never had plain {soup|bread and butter} tasted so {good|fine}.
- [m] was {in the kitchen|at the door}, {as always|and supper was ready}. It was the
  {best|nicest} {sight|evening} in the world.
@ end
- one should think before one wishes
- too much of a good thing is {no good thing|not good}
- ordinary days are precious
- not every wish is wise

# I can't do it yet | f
@ let s
- whistle / whistled / only wet air came out / Make your lips small, like a kiss / a clear note
  rang out
- swim / swam / [h.he] sank like a stone / Lie on the water as if it were a bed / [h.he] floated
- tie a bow / tied a bow / it became a knot as big as a fist / Make two ears, like a hare / two
  neat loops sat there
- skate / skated / [h.he] sat down on the ice with a bump / Bend your knees / [h.he] glided
  along
- juggle / juggled / everything fell on [h.his] head / Start with one and look up / three balls
  danced in the air
- bake bread / baked bread / it came out flat and black / Give the dough time to rest / it rose
  like a cloud
- climb a rope / climbed the rope / [h.he] slid down and burned [h.his] [h.hands] / Use your
  feet, not only your arms / [h.he] touched the top
- write [h.his] name / wrote [h.his] name / the letters fell over each other / Draw each one
  like a little picture / there it stood, every letter in its place
- walk on stilts / walked on stilts / [h.he] fell into a bush / Look ahead, not down / [h.he]
  marched along, as tall as a stork
- play the violin / played the violin / it sounded like an angry goose / Let the bow be light /
  a sweet tune came out
- dive / dived / [h.he] landed flat on [h.his] tummy / Look at your toes and fall / [h.he] went
  in without a splash
- stand on one leg / stood on one leg / [h.he] tipped over / Look at one point and breathe /
  [h.he] stood like a heron
- cartwheel / did a cartwheel / [h.his] legs went the wrong way / Think of a wheel with four
  spokes / round [h.he] went
@ tell
- more than anything, [h] wanted to learn to [s].
- all the others could [s]. Only [h] could not.
- <one_day> [h] saw [f], a [f.kind], who [s.2] as if it were nothing. "I want to do that, too,"
  said [h].
- "I wish I could [s]," said [h] {one morning|to [m]}.
@ tell
- [h.he] {tried|gave it a try}. But [s.3].
- the first time, [s.3].
- <one_day> [h.he] tried it {in secret|behind the house}, and [s.3].
@ maybe 0.7
- the {second|next} time was {no better|even worse}.
- somebody {laughed|giggled}. [h] turned red.
- [h] tried {ten|twenty|a hundred} times. It was no use.
@ say h sad
- I will never learn it! {I give up.|I am just no good at it.}
- I can't do it! {Everyone else can.|It is too hard.}
@ para
@ tell
- [f] {sat down next to [h.him]|came closer|had been watching}.
- that is how [f] {found|met} [h], {sitting in the grass|with a very long face}.
@ say f answer
- You forgot one small word: yet. You can't do it yet. {[s.4].|Look. [s.4].}
- It took me {a whole year|all winter}. {Nobody saw how often I fell.|I had a good teacher.}
  [s.4].
- {Shall I tell you a secret?|Do you want a tip?} [s.4].
@ maybe 0.6
- [h] tried it {slowly|that way}. It was {a little bit better|not good, but it was better}.
- "{Again|Once more}," said [f]. And {again|once more}. And again.
@ run aside
@ tell
- [h] {practiced|tried} every {morning|evening}, {before breakfast|in sun and rain|when nobody
  was looking}.
- so [h] practiced. On Monday {it went wrong|nothing worked}. On {Tuesday|Wednesday} it
  {almost|nearly} worked. On {Friday|Saturday} {[h.he] was too tired to try|it rained, and
  [h.he] tried anyway}.
- {days|weeks} went by. [h] {got bruises|made a thousand mistakes} and {learned from each|kept
  going}.
@ tell
- and then, {one fine day|all of a sudden|on an ordinary Tuesday}, [s.5]!
- <finally> the day came: [s.5]!
@ say h cry
- I did it! {Did you see that?|Look, everybody!|[f], I did it!}
- Look! {I can [s]!|It works!}
@ tell
- [f] was as proud as if [f.he] had done it [f.himself].
- that day [h] [s.2] {from morning till night|for everyone who wanted to see it, and for some
  who did not}.
- a little one {watched with big eyes|came up to [h]}. "I can't do that," {it|the little one}
  said. "Not yet," said [h], and smiled.
@ end
- practice makes hard things easy
- you can't do it yet is not the same as you can't
- every master once began
- falling down is a part of learning

# Who was it? | f
@ let y
- the pies disappeared from the window sill / crumbs / a hungry hedgehog family / left a bowl
  out for them every night
- there were muddy footprints on the clean floor / wet prints / a duck who was looking for a dry
  place to nest / made a nest of straw for her
- something knocked at the window every night / scratches / a branch that danced in the wind /
  tied the branch back with string
- one sock was missing from each pair / a thread / a mouse who needed beds for her eleven
  children / gave her all the old socks
- the carrots in the garden had bites in them / tiny tooth marks / three little rabbits with no
  garden / planted one row just for them
- a strange humming came from the attic / dust and honey / a swarm of bees that had lost its
  home / built them a hive
- somebody had painted the fence with blue dots / blue spots in the grass / a jay who had
  stepped in the paint / painted the rest with dots, too
- the milk was gone every morning / white drops / a thin cat with two kittens / took all three
  of them in
- a ghost sighed in the barn / a trail of straw / an old donkey who could not sleep / brought
  him a blanket and a lantern
@ tell
- <one_day> something {strange|odd|very odd} happened: [y].
- for {three|four} days in a row, [y]. {Nobody knew why.|Everybody said it was somebody else.}
- it was {Monday|Tuesday} when it began. First [y]. Then it happened again.
@ maybe 0.6
- "It wasn't me," said [m]. "It wasn't me," said everyone else.
- some said it was {a ghost|a thief|a giant}. {"Nonsense," said [m].|[h] did not believe it.}
@ say h happy
- I will find out who it was! {I'll be a detective.|Every riddle has an answer.}
- This is a case for {us|me}! {Come on, [f]!|We need a lamp and a notebook.}
@ tell
- [h.his] friend [f] {came along|wanted to help}, even though [f.he] was {a little scared|more
  scared than [f.he] said}.
- [h] {called|asked} [f], a [f.kind] with {a good nose|sharp eyes|a lamp}.
@ para
@ tell
- they {looked|searched} {for clues|everywhere}. And what did they {find|see}? ^[y.2]!
- {on the ground|right by the door} there was the first clue: [y.2].
@ some 2
- they followed {the trail|it} {around the house|along the fence}. At the end there was
  {nothing|<odd_find>}. A false {track|clue}!
- [f] {suspected|was sure it was} [o]. But [o] {had been away all week|only laughed and gave
  them a plum}.
- [h] wrote it all down {in a notebook|on [h.his] arm}, with {arrows|a drawing}.
- they sprinkled {flour|sand} on the ground and waited.
@ run aside
@ tell
- {that|the same} night they hid {behind a barrel|under a blanket|in the bushes} and
  {waited|kept watch}. {The moon came up.|[f] almost fell asleep.} Then something
  {moved|rustled}!
- when it got dark, they {lay in wait|hid}. Ten o'clock. Eleven. Then... {a noise|a shadow}!
@ tell
- <felt_scared>.
- "{Are you scared|Do you see anything|Can you hear it}?" whispered [f]. "{No|A little|Hush},"
  {whispered|said} [h].
@ tell
- [h] {lifted the lamp|turned on the light}. And there it was: [y.3]!
- the light fell on... [y.3]!
@ say f happy
- So that's it! {No ghost at all!|And I was so afraid!}
- Oh! {It's only that?|How sweet!} {We must help.|What shall we do?}
@ tell
- they {were not angry|could not be angry}. Instead, they [y.4].
- nobody {shouted|was cross}. {The next day|Right away} they [y.4].
@ maybe 0.5
- after that, [h] and [f] {opened a detective office under the stairs|got a lot of mail: who
  took my spoon, who ate my soap}.
- in the notebook [h] wrote: "Case closed."
@ end
- behind a big mystery there is often a small friend
- it is better to look than to guess
- before you are angry you should ask why
- some thieves only need help

# The seed |
@ let z
- sunflower / taller than the roof / gold / a bird ate the first seeds
- pumpkin / so big that it needed a cart / orange / a snail took a bite
- apple tree / higher than [m] / white / a hare nibbled the bark
- bean / all the way up to the window / green / the wind blew it sideways
- rose / with more flowers than leaves / red / ants climbed up and down on it
- melon / as round as the moon / green and white / a cold night came
- cherry tree / full of singing birds / pink / a late frost came
@ tell
- <one_day> [o] gave [h] a seed. It was {small and brown|no bigger than a crumb|wrinkled and
  plain}.
- <one_day>, [p.in], [h] found a seed [p.spot]. It looked like {nothing at all|a crumb}.
- "This is for you," said [m] {one spring morning|one day}, and put a seed in [h]'s hand. {It
  was tiny.|"Just a seed?" asked [h].}
@ say h ask
- What will it be?
- Is that all? {What can I do with it?|It is so small!}
@ say o answer
- Plant it, water it and wait. {The last is the hardest.|Waiting is the secret.}
- Everything is already inside it. {Give it earth, water and time.|You will see.}
@ tell
- [h] {dug|made} a hole, put the seed in, {said good night to it|covered it up} and {watered
  it|gave it a drink}.
- so [h] planted it {by the wall|in an old pot|where the sun comes first} and put a
  {stick|little sign} next to it.
@ para
@ tell
- <next_day> [h] {ran out to look|looked}. Nothing. The day after: nothing. {A week went by.|And
  so it went on.}
- every morning [h] {ran to see|knelt down to look}. {Earth. Only earth.|There was nothing, not
  even a tip.}
@ some 2
- [h] {sang to it|told it jokes|read it a book about trees}.
- "{Hurry up|Grow}!" {said|shouted} [h]. The earth {said nothing|did not answer}.
- once [h] {wanted to dig it up|even began to dig} to see {if it was still there|what was
  wrong}. "{Don't|Leave it}," said [m]. "It is working in the dark."
- it {rained for three days|was dry for weeks}, and [h] {worried|carried water from far away}.
- the others {laughed|shook their heads}. "You are watering {dirt|a stone}," they said.
@ run aside
@ tell
- <felt_sad>. "It is dead," [h.he] said. {But [h.he] watered it once more.|Still, [h.he] went
  out with the can.}
- [h] {almost|nearly} gave up. {But only almost.|But a little voice said: one more day.}
@ tell
- and then, {one morning|on the twentieth day}, there was {a green tip|something green}, no
  bigger than {an eyelash|a grain of rice}!
- <finally> the earth {cracked|moved}. A {tiny|bent} green {neck|thread} {pushed out|looked
  out}.
@ say h cry
- It's alive! {Come and look!|[m.call], come quickly!}
- <hurray> {It is here!|It has two leaves!}
@ tell
- it grew and grew. Once [z.4], but it {did not give up|went on}. By {summer|autumn} there stood
  a [z], [z.2].
- {week by week|day by day} it got {bigger|taller}. [z.4], and [h] {helped|took good care of
  it}. In the end it was a real [z], [z.2].
@ tell
- everybody came to see {it|the [z.3] wonder}. And in the middle of it were {a hundred|twelve}
  new seeds. [h] gave {one to each of them|them all away}.
- [h] sat {in its shade|beside it} and {felt very rich|thought of the tiny seed}.
@ end
- good things need time
- patience is a kind of strength
- what is small can become great
- not everything that is quiet is asleep
"""
