"""Plots of the embedded stories: things lost and found again.

The marks are explained in `story_script`.
"""

from __future__ import annotations

SCRIPT = """
# The thing that rolled away | t:rolls out
@ tell
- [m] had given [h] [t.a] {for [h.his] birthday|last winter|as a present}.
- of all [h.his] {toys|treasures|things}, [h] loved one the most: [t.a].
- [h] owned [t.a], and {nobody|no one} was allowed to touch [t.it] {without asking|with dirty
  [h.hands]}.
- {under the bed|in a box}, [h] kept [t.a]. It was a gift from [m].
@ run go
@ tell
- [h] [t.used] {again and again|for an hour|until [h.his] arms hurt}.
- of course, [t] came along. [h] [t.used] and sang.
- "{Watch this|Look at me}!" cried [h] and [t.used] {as hard as [h.he] could|very high|with
  closed eyes}.
@ tell
- <suddenly> [t] {slipped from [h.his] [h.hands]|got away} and rolled {down the path|away|off},
  faster and faster.
- <suddenly> [t] hit a {stone|bump|root} and rolled {out of sight|away|down the slope}.
- but the ground was {steep|not flat}, and <soon> [t] was rolling {away|down, down, down}.
@ maybe 0.5
- [h] {ran after [t.it]|chased [t.it]|gave chase}, but [t.they] [t.was] {too fast|gone|quicker}.
- "{Stop|Come back|Wait}!" {cried|shouted} [h]. ^[t] did not listen.
@ para
@ run aside
@ tell
- <felt_sad>.
- <felt_sad>. Where could [t] be?
@ some 2
- [h] {looked|searched} [p.spot2] and found {nothing but|only} <odd_find>.
- [p.spot3] there was {nothing|no [t.noun]}, only <odd_find>.
- [h] asked {everyone|people} who came by, but {nobody had seen it|they shook their heads}.
- [h] crawled around on hands and knees and came up with <odd_find>.
@ tell
- then [o] came {along|by|over}.
- [o] {saw|noticed|heard} [h] and {came closer|stopped}.
- not far off stood [o.a].
@ say o answer
- What are you {looking for|hunting for|after}, {little one|my friend}?
- You look {lost|worried}. Did you lose something?
- Round things roll to the lowest place. {Have you looked down there|Did you try the bottom of
  the slope}?
- Things that roll always stop somewhere. {Let's follow the slope|Let's see where the ground is
  lowest}.
@ maybe 0.6
- [h] told [o] {all about it|about [t]|what had happened}.
- [h] explained, and together they followed the {slope|track|way it had rolled}.
@ para
@ tell
- and there, [p.spot], {lay|was} [t.full], {a bit dusty|none the worse for it|safe and sound}!
- <finally> they {looked|searched} [p.spot]. There [t.they] [t.was], {dusty but
  whole|waiting|with a ladybug on top}!
- [o] reached [p.spot] and pulled out... [t]!
@ say h happy
- Thank you! {I thought [t.they] [t.was] gone forever.|I will hold on tight now.|You have sharp
  eyes!}
- You found [t.it]! {How can I thank you?|Would you like to play, too?|I am so glad!}
- <hurray> {There you are, you runaway!|My [t.noun]!|I missed you!}
@ maybe 0.4
- then [o] [t.used] too, and was {quite|very} good at it.
- they took turns until {it got dark|the bell rang|[m] called}.
@ end
- two look better than one
- what rolls away can be found again
- it is good to ask for help
- it helps to think before running around

# Gone with the wind | t:blows f out
@ tell
- [h] and [f], a [f.kind] from {next door|the other side of the road|nearby}, had
  {made|found|bought} [t.a].
- [h]'s friend [f] had lent [h.him] [t.a]. "{Take good care of it|Please be careful with it},"
  [f] had said.
- [h] had saved up {for weeks|all summer} to buy [t.a], and [h.his] friend [f] had {helped|lent
  [h.him] the last coin}.
@ run go
@ say f say
- It is very windy today. {Hold on tight!|Are you sure?|Maybe we should wait.}
- Look at those clouds! {Hold on to it, [h].|The wind is strong.}
@ say h happy
- Don't worry! {I am strong.|A bit of wind is fun.|Nothing will happen.}
- That is {perfect|just what we need}! {Let's go!|Come on!}
@ para
@ tell
- [h] wanted to [t.use] at once, and for a while {it went well|all was well|it was great fun}.
- so they [t.used] and {laughed|shouted|felt like kings}.
@ tell
- <suddenly> the wind {pulled|tore} [t] out of [h]'s [h.hands] and {carried|blew} [t.it] {high
  up|away over the roofs|into the tallest tree}.
- whoosh! A {gust|blast} of wind took [t]. Up [t.it] went, {higher and higher|over the
  fence|turning and turning}, until [t.it] {got stuck in|landed in|hung from} {a tree|the top of
  an oak|a high branch}.
@ run aside
@ tell
- <felt_sad>.
- [h] stared {up|at the sky}. "It's my fault," [h.he] {said|whispered}.
- "I should have listened," said [h].
@ some 2
- [h] tried to climb, but the {lowest branch|trunk} was too {high|slippery}.
- [f] threw {a stick|a pinecone|an old shoe}. It {missed by a mile|got stuck as well|came back
  down}.
- they {shook|kicked} the tree. Only {leaves|two acorns|a surprised squirrel} came down.
- they jumped as high as they could, which was not high {at all|enough}.
@ tell
- <then> [f] had an idea. "{Climb on my shoulders|Stand on my back}!"
- "{Wait|I know}," said [f]. "Alone we are {too small|short}. But {together|one on top of the
  other} we are {tall|a giant}."
- [o] {came by with|lent them|went to get} a {ladder|long pole|rope}.
@ tell
- it {wobbled|was a wobbly business}, and they {almost fell|had to try three times}, but
  <finally> [h] {touched|reached} [t] and pulled [t.it] {free|down}.
- [h] stretched. One more inch, and... got it!
@ say f happy
- <hurray> {We did it!|We make a good team.|And it isn't even torn!}
- Next time we {tie a string to it|wait for a calm day|hold it with four hands}.
@ run joy
@ end
- a warning from a friend is worth hearing
- together one can reach higher
- it is no shame to say sorry
- the wind takes what you do not hold

# Downstream | t:floats f out
@ tell
- [h] had [t.a] that [h.he] had {built|painted|got from [m]}.
- "{Is it ready|Does it float}?" asked [f]. [f.he] was [h]'s {best friend|cousin|neighbor}, and
  [t.a] lay between them {in the grass|on the ground}.
- for {three days|a week}, [h] and [h.his] friend [f] had worked on [t.a].
@ let w
- river / bridge
- stream / bend
- brook / mill
- creek / footbridge
@ tell
- <one_day> they {carried|took} [t.it] down to the [w].
- <one_day> they [t.used] on the [w], where {the water was slow|it was not deep}.
@ run scene
@ maybe 0.5
- at first [t.it] {turned in circles|would not move|bobbed up and down like a cork}.
@ tell
- <then> the {current|water} caught [t], and off [t.it] {sailed|went}, {past the reeds|under the
  willows|around the bend}.
- <suddenly> [t] {slipped away|drifted out of reach|was in the middle of the [w]}.
@ say h cry
- Stop it! {It's getting away!|Quick, [f], the stick!}
- Oh no! {It's floating off!|The current has it!|Run!}
@ para
@ tell
- they ran along the {bank|path}, {over stones and roots|through nettles and mud}, but the water
  was faster.
- [h] wanted to jump in, but [f] held [h.him] {back|by the arm}. "It is too deep," [f.he] said.
  "We must {run to the [w.2]|get ahead of it}."
- a {log|bush} was in the way. By the time they had climbed over it, [t] was {a small dot|far
  off}.
@ run aside
@ tell
- at the [w.2] they met [o.a], who {was fishing|was resting|had wet feet}.
- near the [w.2] {sat|stood} [o.a].
@ say h ask
- Please, have you seen [t.a]?
- Did [t.a] come by here?
@ say o answer
- {Something|A little [t.noun]} came by just now. It is {stuck in the reeds|turning around
  behind that rock}.
- Indeed I have! {I thought a duck had lost it.|It nearly hit me on the nose.} It is {caught in
  the reeds|over there by the stones}.
@ tell
- with a long {branch|stick|fishing net}, [o] {pulled|fished} [t.it] out.
- [f] held [h]'s [h.hands], [h] leaned {far out|over the water}, and... there! Got it!
- very carefully, step by step, [h] waded in {up to the knees|where it was shallow} and brought
  [t.it] back.
@ tell
- it was {dripping|wet|muddy}, but {not broken|whole}.
- one side was {scratched|bent}. "Now it looks like a {real|proper} adventurer," said [f].
@ maybe 0.8
- [h] {tied|fixed} a long {string|thread} to [t.it]. {From then on|After that} [t.it] could sail
  {far away|anywhere} and {always came back|still come home}.
- "Next time, we use a string," said [h].
@ end
- friends run with you when it matters
- it is wise to stay out of deep water
- a little string can save a lot of tears
- even a long trip can end well

# A hole in the pocket | t:slips out
@ tell
- [m] asked [h] to {bring|carry} [t.a] to {a friend|[o]} [p.in].
- [h] always carried [t.a] in [h.his] {pocket|bag}. {It was for luck.|It had belonged to [m].}
- on [h.his] birthday [h] {had got|was given} [t.a]. [h.He] put [t.it] into [h.his] pocket and
  {patted|checked} it {every few steps|ten times}.
@ run go
@ tell
- but when [h] {reached into|felt in} the pocket, {it was empty|there was nothing but a
  hole|[h.his] fingers came out on the other side}!
- <soon> [h] wanted to [t.use]. But the pocket was {empty|as empty as a drum}. There was a hole
  in it!
@ say h sad
- Oh no! {It must have fallen out.|Where did I lose [t.it]?|What will [m.call] say?}
- It was here {this morning|a minute ago}! {I am sure of it.|What now?}
@ tell
- <felt_sad>.
- <felt_scared>. What if [t.they] [t.was] gone {for good|for ever}?
@ para
@ say o answer
- Walk back the way you came, {little one|my friend}. {Slowly.|Step by step.} And look at the
  ground.
- Where were you when you had [t.it] last? {Start there.|Go back in your mind.}
@ some 2
- first, [h] {went|looked} [p.spot2]. There {lay|was} <odd_find>. No [t.noun].
- then [h.he] looked [p.spot3], but found only <odd_find>.
- something {glittered|shone}! [h] {bent down|ran}. It was just {a drop of water|a piece of
  glass|a candy wrapper}.
- a {crow|magpie|jay} with something in its beak flew up. But it was only a {nut|twig|crust}.
@ run aside
@ tell
- just when [h] was about to {give up|go home}, [h.he] saw a {glint|tiny flash|bit of
  color} [p.spot]. There [t.they] {[t.was]|lay}!
- <then> [h] remembered: [h.he] had {bent down to tie a shoe|jumped over a puddle|stopped to
  watch a snail} [p.spot]. [h.he] ran back, and there {it all lay|was what [h.he] had lost}!
@ run joy
@ tell
- at home, [m] got a needle and {showed [h] how to sew|taught [h.him] to mend a pocket}. The
  stitches were {crooked|big and crooked|not pretty}, but they held.
- [h] mended the pocket that {same|very} evening, with {red|strong|double} thread.
- "A small hole can {swallow big treasures|cause a big trouble}," said [m], and they
  {mended|sewed up} the pocket together.
@ end
- small holes should be mended before they grow
- it helps to go back step by step
- going slowly is sometimes the fastest way
- one must not give up too early

# Left behind | t:left out
@ tell
- [h] never went to sleep without {[h.his] [t.noun]|[t]}.
- [h] and [t] {went everywhere together|were always together|had never been apart}.
- where [h] was, one could {always |}find [t] as well.
@ run go
@ tell
- they had {such a good time|so much to see} that {the hours flew by|it was late before they
  knew it|evening came too soon}.
- there was so much to {see|do} that [h] {forgot the time|forgot everything else}.
@ tell
- at home, [h] {looked|felt} in the bag. [t] [t.was] {not there|missing|gone}!
- <bedtime> [h] reached for [t]. The {place|pillow} was empty.
- "{Where [t.is]|Who has seen} [t]?" asked [h] at supper. {Nobody knew|All was quiet}.
@ tell
- <felt_sad>.
- "I left [t.it] {behind|there}, all alone in the dark!" {cried|sobbed} [h].
@ run comfort m
@ tell
- [h] {hardly slept|slept badly|turned from side to side all night}. It {rained|was windy}
  outside.
- [m] lent [h] {a cushion|an old sock with a face|her own pillow|a warm shawl} for the night. It
  was {not the same|kind, but it was not the same}.
@ para
@ tell
- <next_day> they {hurried|ran|went straight} back [p.to].
- <next_day>, before {breakfast|the milk came|it was quite light}, they were on their way
  [p.to].
@ some 2
- they looked [p.spot2]. Only <odd_find>.
- [p.spot3] they found <odd_find>.
- "Maybe somebody took [t.it]," said [h] {in a small voice|and swallowed}.
@ tell
- then [h] stopped. [p.spot] sat [o], {and what was that next to [o.him]? It was|with} [t.full]!
- [o] was already waiting. "I think this is {yours|what you are looking for}," [o.he] said
  and held out [t.full].
- there [t.they] [t.was], [p.spot], under {a big leaf|an old umbrella|a dry coat}. Somebody had
  covered [t.it] so that the rain {would not hurt|could not reach} [t.it]. It had been [o].
@ say o answer
- I found [t.it] {last night|in the rain}. {Somebody must be missing you, I thought.|I knew that
  you would come back.}
- Something so well loved {had to be kept dry|could not stay outside}. {So I kept watch.|I took
  it in.}
@ say h happy
- Thank you for {taking care of|watching over} [t.it]! {I will bring you a cake.|Next time I
  will count my things.}
- Oh, thank you! {I was so worried.|You are the kindest person I know.}
@ maybe 0.5
- <next_day> [h] brought [o] {a drawing|a jar of jam|flowers}, tied with a {red|blue} ribbon.
- since that day, [h] {says hello to|visits} [o] {every week|whenever [h.he] can}.
@ end
- there are more kind people than one thinks
- it is good to look back before leaving
- what you love, you must look after
- a kindness can be done without anyone seeing it
"""
