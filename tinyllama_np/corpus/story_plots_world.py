"""Plots of the embedded stories: storms, creatures, getting lost, building and traveling.

The marks are explained in `story_script`.
"""

from __future__ import annotations

SCRIPT = """
# The storm | f out
@ run go
@ let b
- dam
- castle
- tower
- wall
- harbor for leaf boats
@ tell
- [h.his] friend [f] was there, too, and they built a [b] {together|out of mud and stones|as
  high as they could}.
- together with [f], a [f.kind], [h] {was building|made} a [b].
- [f], a [f.kind], had come along. They were {building|making} a [b] {and forgot the time|and
  singing}.
@ tell
- <suddenly> it {got dark|grew cold}. A black cloud {came over the hill|rolled in|covered the
  sun}.
- at first it was only {a drop|one fat drop on the nose}. Then {ten|two more}. Then the sky
  {opened|let everything go}.
- nobody saw the clouds until {the first thunder rumbled|the wind began to howl}.
@ say f cry
- A storm! {Run!|We must find shelter!|What shall we do?}
- Did you hear that? {It's thunder!|Let's go home!}
@ some 2
- the wind {bent the trees|tore at everything|howled}, and the rain came {sideways|down in
  ropes}.
- boom! {Thunder|The thunder} {rolled|crashed} {over their heads|from one end of the sky to the
  other}.
- {lightning|a flash of lightning} {lit up|turned} everything {white|bright as day}.
- in no time they were {soaked|wet to the skin|dripping}.
@ para
@ tell
- [h] remembered what [m] had {taught|told} [h.him]: never stand under a {lone|tall} tree in a
  storm. So they {crawled|hurried} {into a dry hollow|under a low roof|into a hut}.
- "Not under the tree!" said [h]. "{Over there|This way}!" They found {a small cave|an old
  shed|a dry place under a ledge}.
@ tell
- [f] {shook|was trembling} {like a leaf|all over}. [h] was afraid, too, but [h.he] {did not say
  so|held [f]'s [f.hands]}.
- it was {dark|narrow} inside, and {something moved! It was just a wet {hen|rabbit|toad}|water
  dripped from above}. [f] began to cry.
@ run aside
@ say h answer
- Let's count after each flash. {One, two, three...|The longer we count, the farther away it
  is.}
- I know a song about rain. {Sing with me!|It is a silly one.}
- Pretend {the thunder is a giant moving his chairs|we are in the belly of a whale}. {What is he
  doing now?|See? It only rumbles.}
@ tell
- so they {counted|sang|told stories}, first {quietly|in shaky voices}, then {louder|louder than
  the rain}. The thunder {grumbled|went} farther and farther away.
- they {huddled together|sat close together} and shared {a damp bun|one mint|a squashed
  sandwich}. {Little by little|Slowly}, the {noise|storm} passed.
@ tell
- <finally> {a ray of sun|a little blue|the sun} {came through|peeped out}. {Everything
  sparkled.|The whole world dripped and shone.}
- when they {crept|came} out, there was a rainbow {over the hill|from one side to the other}.
  {"Look!" they both said.|They said nothing for a while.}
@ tell
- the [b] was {gone|washed away}. "We will build a better one," said [h].
- a {branch|big branch} lay {right where they had been playing|across the path}. {They looked at
  each other.|[f] swallowed.}
- then [m] came running with {a blanket|dry clothes|a lantern}. "{There you are|Thank
  goodness}!"
@ run joy
@ end
- after every storm the sun comes back
- fear is smaller when it is shared
- it is good to know what to do in a storm
- a song can be stronger than thunder

# The creature in trouble | out
@ let c
- bird / a wing that hung down / a shoe box with soft hay / flew / it
- kitten / burrs in its fur and an empty tummy / a basket by the stove / jumped / it
- hedgehog / its foot caught in a net / a box with dry leaves / ran / it
- duckling / no mother far and wide / a bowl of water and a warm towel / swam / it
- butterfly / wet wings / a sunny window sill / flew / it
- squirrel / a hurt paw / a cushion in a drawer / climbed / it
- owl / a bump on its head / a dark, quiet corner / flew / it
- puppy / a thorn in its paw / an old coat on the floor / ran / it
- turtle / its shell the wrong way up, legs in the air / a tub with wet grass / walked / it
- bee / no strength left to fly / a spoon with sugar water / flew / it
- lamb / its leg stuck between two boards / a bed of straw / skipped / it
@ run go
@ tell
- <suddenly> [h] heard a {thin|tiny|sad} sound. It came from {close by|somewhere below}.
  [p.spot], [h.he] found a little [c] with [c.2].
- [p.spot] something moved. It was a [c] with [c.2].
- what was that, [p.spot]? A [c], with [c.2]!
@ say h whisper
- Don't be afraid. {I won't hurt you.|I will help you.}
- Oh, you poor thing! {What happened to you?|Wait, I will get help.}
@ tell
- it {trembled|looked at [h] with big eyes|tried to get away and could not}.
- its heart {beat so fast|was beating so hard} that [h] could {feel|see} it.
@ run aside
@ para
@ tell
- [h] {did not know what to do|was not sure how to help}, so [h.he] ran to {get|fetch} [m].
- {[o]|[o.a]} came over and {bent over it|had a look}.
@ say o answer
- First it needs {quiet and warmth|rest}. {Be gentle.|Don't hold it too tight.}
- It is good that you {called|didn't pull}. {We must be slow and careful.|Little creatures are
  easily frightened.}
@ tell
- at home they made {a bed for it|a place for it}: [c.3].
- they got [c.3]. The [c] {closed its eyes|grew calm|let out a small sigh}.
@ some 2
- [h] {gave it water|brought it food} {drop by drop|on a leaf|every hour}.
- every {morning|evening} [h] {looked in on it|sat with it} and told it {a story|the news of the
  day}.
- one night it was {very weak|very still}, and [h] {stayed awake|did not leave its side}.
- [h] wanted to keep it {for ever|for [h.himself]}. [h.He] even {chose a name for it|thought of
  a name}.
@ tell
- <soon>, it was {strong|well} again. [h] knew what that meant.
- {a week|some days} later it was better. It {looked out of|turned toward} the window {all the
  time|again and again}.
@ say m answer
- It is a wild thing and wants to go home. {You did your part.|If you love it, let it go.}
- Its family is waiting. {Open the door, <dear>.|It will not forget you.}
@ tell
- [h] {swallowed|took a deep breath} and {opened the door|carried it outside}. The [c] [c.4] {a
  little way|up}, turned {once|around}, and was gone.
- so they took it back [p.to]. Off it [c.4]! At the last moment it {looked back|made a small
  sound, like a thank you}.
@ tell
- {in spring|weeks later|the next year}, [h] found {a feather|three nuts|a shiny pebble|a wild
  flower} on the {step|window sill}. {Who had put it there?|[h] knew who it was from.}
- {sometimes|now and then}, when [h] is [p.in], a [c] {comes quite close|sits nearby} and is not
  afraid.
- some time later [h] {got lost in the fog|lost the way}. A [c] came, went ahead and {showed the
  way|led [h.him] home}.
@ end
- to love something can mean to let it go
- small kindnesses come back
- gentle hands are strong hands
- every creature wants to be free

# Lost |
@ let l
- a blue butterfly / fluttered / from flower to flower
- a frog / hopped / from stone to stone
- a red balloon / floated / over one fence after the other
- a paper lantern / drifted / higher and farther away
- a squirrel / ran / from tree to tree
- a white feather / flew / along with the wind
- a funny little dog / trotted / around every corner
@ tell
- "Stay {close to me|where I can see you}," said [m] {when they came|as they walked} [p.to].
- <one_day> [m] and [h] were [p.in]. "Don't {run off|go far}," said [m].
@ run scene
@ tell
- then [h] saw [l]. It [l.2] [l.3], and [h] {went after it|followed}{, step by step|}.
- but there was [l]! It [l.2] [l.3]. [h] {only wanted to see where it would go|forgot everything
  else}.
@ tell
- when it was gone, [h] {looked around|turned around}. {Everything|The place} looked
  {strange|different}. Where was [m]?
- "Look, [m.call]!" [h] turned around. {But nobody was there.|There was no [m.call].}
@ para
@ tell
- <felt_scared>.
- "[m.call]?" {called|cried} [h]. {No answer.|Only the wind answered.} "[m.call]!"
@ some 1
- [h] ran to the left. {Nothing.|Wrong!} [h.He] ran to the right. {Nothing.|Wrong again!}
- every {path|corner} looked {the same|like the other}.
- {strangers|big feet} hurried by. Nobody looked down.
@ maybe 0.8
- then [h] remembered a rule: {if you are lost, stay where you are|when lost, stop and think|ask
  someone who works there}.
- "If you get lost," [m] had once said, "{stay in one place and I will find you|ask somebody
  with a kind face and a job to do}."
@ run aside
@ tell
- so [h] sat down [p.spot] and {waited|counted slowly}. {After a while|Then} [o] came {by|over}.
- [h] {saw|went up to} [o], who {looked kind|was busy}. {It took courage to speak.|"Excuse me,"
  said [h.he].}
@ say o ask
- Are you {all alone|lost}, little one? {What is your name?|Whom are you looking for?}
- Why do you look so {sad|pale}? {Where are your people?|Can I help?}
@ say h sad
- I lost [m.call]. {I was only gone a minute.|I followed [l].}
- I am [h], and I don't know {where I am|the way back}.
@ say o answer
- Then we shall wait {right here|together}. {Somebody is looking for you just as hard.|Do you
  like <snack>?}
- You did the right thing. {What does [m.call] look like?|Let's call together, one, two, three.}
@ tell
- they {called|shouted} together, and [o] had a voice like a {trumpet|foghorn}. {From far
  away|At last}, somebody answered!
- [o] lifted [h] up high. "{What do you see|Look around}!" And there, {far off|between all the
  others}, was [m]!
- it was not long until {quick steps came|somebody came running}. It was [m]!
@ tell
- [m] held [h] {so tight that it almost hurt|and did not say a word}. "{I was so worried|I
  looked everywhere}," [m.he] said.
- they ran toward each other. {Both of them cried a bit.|Both said sorry at the same time.}
@ say h say
- I will stay close {from now on|now}. {I promise.|Really.}
- I'm sorry that I ran off. {It was so pretty.|I forgot to look back.}
@ end
- when you are lost, it is best to stay in one place
- it is wise to look back now and then
- there is often somebody who will help
- one should tell someone before going off

# Building it together | f out
@ let j
- tree house / boards and ropes / the boards were too heavy / the first rain came through the
  roof
- bridge / stones and logs / the logs rolled away / it wobbled in the middle
- snow fort / snow and ice / the snow would not stick / the sun came out
- raft / barrels and planks / the knots came loose / it turned in circles
- den / branches and moss / the roof fell in twice / a hedgehog had moved in first
- sand castle / sand and shells / the tide was coming / a wave took the gate
- soapbox car / boxes and wheels / one wheel was missing / the brake was only a shoe
- puppet theater / cloth and boxes / the curtain got stuck / the dragon lost its head
@ tell
- <one_day> [h] had an idea. "I am going to build a [j]," [h.he] said.
- <one_day>, [p.in], [h] {saw|found} [j.2]. "That is enough for a [j]!" [h.he] {cried|said}.
@ tell
- [f], a [f.kind], wanted to help. "No, I can do it alone," said [h].
- "Shall I help you?" asked [f], the [f.kind] {next door|from over the way}. "No, thank you. It
  is my [j]," said [h].
@ tell
- [h.he] {dragged|carried} [j.2] {together|to the spot} and {set to work|began}. But [j.3].
- all morning [h] {worked|built} with [j.2]. But [j.3].
@ maybe 0.6
- "{Bother|Oh, no}!" said [h], and {kicked a bucket|sat down on the ground}.
- {by noon|after an hour}, it looked more like {a heap|a pile of nothing} than a [j].
@ run aside
@ para
@ tell
- [f] was still there, {sitting on a stone|chewing a straw}. "I know how to {tie
  knots|measure|keep things straight}," {said [f.he]|[f.he] said} {softly|to nobody}.
- then [h] {saw|noticed} what [f] had {drawn in the sand|made from twigs}: a plan of a [j]. It
  was a {very|really} good plan.
@ say h say
- Would you {still|perhaps} like to help? {I can't do it alone.|It is too much for one.}
- You know things that I don't. {Let's build it together.|Please help me.}
@ say f happy
- I thought you would never ask! {You hold, and I tie.|First we need a plan.}
- <yes>! {I'll get the rope.|Let's call the others, too.}
@ some 2
- [h] was strong and {carried|lifted}. [f] was {careful|clever} and {measured|tied the knots}.
- [o] {brought|lent them} a {hammer|saw|ladder} and {good advice|a bag of nails}.
- {a little one|the smallest of the neighbors} {handed them things|painted the door} and {was
  very important|felt very important}.
- they {argued|quarreled} once, about the {door|color}, and then {tossed a coin|made it half and
  half}.
- "One, two, three, lift!" And this time it {held|worked}.
@ tell
- {before evening|two days later}, the [j] was {finished|ready}. {It was a bit crooked, and it
  was wonderful.|They hung up a flag.}
- <finally> it was done: a [j] with {a flag|a sign}. {On it stood two names.|"Everybody
  welcome," it said.}
@ maybe 0.6
- the next day [j.4]. "{Then we will fix it|We know how to mend that}," said [f], and they did.
- it was not perfect: [j.4]. They {laughed|had to laugh} and {mended it|fixed it}.
@ say h happy
- Without you it would be a heap of [j.2]. {Thank you, [f].|We are a good team.}
- It's our [j] now. {Not mine, ours.|That is even better.}
@ end
- together you can do what you can't do alone
- asking for help is clever
- everyone is good at something
- ours is a nicer word than mine

# The journey to see it | f
@ let e
- the sea / salt in the air / it was bigger than all the fields together / put a shell in a
  pocket
- the first train / a whistle from far away / it was black and puffed like an angry bull / waved
  until it was gone
- the end of the rainbow / colors that always moved away / there was no gold, but a lake full of
  light / drank from it
- the moon in the lake / silver between the trees / it lay in the water like a plate / said good
  night to it
- the whale / a fountain on the water / it was as long as a street / heard it sing
- the cave of echoes / cold air / it answered in their own voices / called their names
- the oldest tree in the land / leaves as big as plates / ten of them could not have reached
  around it / leaned against it
- the snow on the mountain / a white line above the woods / it was colder and softer than they
  had thought / made one snowball each
@ tell
- [h] had {always|for years} wanted to see [e]. {[h.His] friend [f] had never seen it,
  either.|"So have I," said [h.his] friend [f].}
- "Have you ever seen [e]?" asked [f], [h]'s {friend|cousin}. "{No|Never}," said [h]. "Then
  let's go!"
@ tell
- <one_day> they packed {bread and a rope|<snack>|a lamp, a blanket and two apples} and {set
  off|started}, with [m]'s {blessing|old map|advice: be back by Sunday}.
- [m] {gave them|packed them} <snack> and a {map|whistle}, and <one_day> they {left|set off}.
@ some 2
- they {crossed|waded through} a {river|cold stream} {on slippery stones|holding hands}.
- they came to a {fork|place where the path split}. {Left or right?|Which way now?} {They tossed
  a coin.|A snail pointed left, or so it seemed.}
- on the way they met [o]. "It is {not far|a long way}," said [o]. "{Follow the swallows|Just
  keep the wind in your face}."
- it rained. They {sat under a cart|crept under a leaf roof} and {told riddles|ate half of the
  food}.
- there was a {hill|slope} so steep that they {had to pull each other up|crawled on hands and
  knees}.
- a {goose|goat|ram} would not let them pass until they {sang for it|gave it a bun}.
@ run aside
@ para
@ tell
- "My feet hurt," said [f]. "{Let's turn around|I can't go on}."
- [h] had a blister and {wanted to go home|no more breath}. "{I give up|It's too far}," [h.he]
  said.
@ tell
- the other {said nothing and took the heavy bag|said, "Just to that next tree." And then: "Just
  to the next one."}
- they {rested|shared the last bun}. "{We have come so far|Ten more steps}," said one of them.
  "{One more hill|Then we'll see}."
@ maybe 0.6
- and then they noticed [e.2].
- first came [e.2]. {Their hearts beat faster.|They began to run.}
@ tell
- {behind|over} the last {hill|bend} they saw it: [e]! And [e.3].
- there it was, [e]! And [e.3].
@ tell
- for a long time nobody spoke. Then they [e.4].
- "Oh," said [h]. "Oh," said [f]. {More was not needed.|That said it all.} They [e.4].
@ say f happy
- I am glad we didn't turn back. {Thank you for carrying my bag.|What shall we look for next?}
- It was worth every step! {Even the blisters.|Even the rain.}
@ tell
- the way home {was|seemed} {much shorter|half as long}. {[m] was waiting at the door.|They sang
  all the way.}
- they {got home|came back} {late and tired|on Sunday, dusty and proud}, and [m] had to hear
  {all of it|it three times}.
@ end
- you get anywhere if you go on one step at a time
- a long way is shorter with a friend
- the way is as good as the place
- one should not turn back too soon
"""
