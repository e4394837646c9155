"""Plots of the embedded stories: friends, quarrels, fears and neighbors.

The marks are explained in `story_script`.
"""

from __future__ import annotations

SCRIPT = """
# The new one | f
@ let n
- spoke another language / pointing and drawing in the sand / speak a little
- was so shy that [f.he] hid behind a tree / sitting still and waiting / come out
- was much bigger than the others / playing a game for big and small / lift everyone up
- could not hear well / talking with their hands / make signs
- never laughed / making silly faces / laugh
- had a leg that hurt and could not run / playing games where nobody runs / win
- always sat alone with a book / reading out loud to each other / tell stories
- had just come from far away / showing each other their favorite places / feel at home
@ tell
- <one_day> a new [f.kind] came. [f.His] name was [f], and [f.he] [n].
- <one_day> [f] moved in {next door|nearby|on the other side of the road}. [f] was a [f.kind]
  who [n].
- there was somebody new [p.in]: [f], a [f.kind]. [f.He] [n].
@ tell
- nobody {played|talked} with [f]. {They did not know how.|"Too strange," the others said.|They
  were used to things as they were.}
- the others {whispered|looked away|kept to themselves}. [h] {saw|noticed} it {and thought about
  it all night|and did not like it}.
- at first [h] {was not sure|did not dare} to say hello.
@ run scene
@ maybe 0.6
- "How would you feel if you were new?" asked [m]. {[h] knew the answer.|[h] did not need to
  think for long.}
- [h] remembered {the time when [h.he] had been new|what it is like to be alone}.
@ para
@ tell
- so [h] {went|walked} over with {half an apple|two cups of water|a ball|a daisy|a pinecone} in
  [h.his] [h.hands].
- <next_day> [h] {sat down beside|went up to} [f].
@ say h say
- Hello, I am [h]. {Do you want to play?|Would you like to see something?|What's your name?}
- Hi! {This is for you.|May I sit here?|I like your [f.feet].}
@ tell
- [f] {looked up, then down again|did not answer|blinked}. {It was not easy.|But [h] did not go
  away.|But there was the start of a smile.}
- at first [f] {said nothing|only shook [f.his] head}. "{That's all right|Never mind}," said
  [h], and {stayed|sat down}.
@ run aside
@ tell
- {little by little|bit by bit|day by day}, they found a way: [n.2].
- and so it began, with [n.2].
- <then> [h] had an idea. They started [n.2]. {It worked!|That was fun!}
@ tell
- <soon> [f] began to [n.3], {and how|and both of them giggled}.
- by the end of the {day|week}, [f] could [n.3]. {[h] learned a lot, too.|And the others
  came closer to see.}
@ tell
- the others {heard them laugh|saw how much fun they had} and {came over|asked, "Can we play,
  too?"}
- one by one the others {joined in|came over}. {Soon there were ten of them.|There was room for
  all.}
@ say f happy
- You were the first who {talked to me|said hello}. {I will never forget it.|That was brave.}
- I thought {I would never have a friend|nobody liked me}. {Now I have you.|I was wrong!}
@ run joy
@ end
- a friend is often just one hello away
- everybody is new somewhere
- it is good to be different
- one kind word can change everything

# The quarrel | f t out
@ tell
- [h] had a friend, a [f.kind] named [f]. They {did everything together|met every day|had been
  friends since they were babies}.
- [h] and [f] were {best friends|good friends}. {[f] was a [f.kind] and never in a hurry.|[f], a
  [f.kind], made the best jokes.}
@ tell
- <one_day> they found [t.a] [p.in].
- <one_day>, [p.in], both of them saw [t.a] {at the same time|in the same second}.
- <one_day> [o] gave them [t.a] for the two of them.
@ say h cross
- I saw [t.it] first! {^[t.they] [t.is] mine!|Give [t.it] to me!}
- I want to [t.use] first! {I am older.|You always go first.}
@ say f cross
- No, I did! {Let go!|You are not fair!}
- You had [t.it] all morning! {That's not fair.|Now it is my turn.}
@ tell
- [h] pulled. [f] pulled. {Rip|Crack|Snap}! {Something broke|Now there were two halves|They both
  fell on their bottoms}.
- they pulled and {pushed|shouted} until {something went crack|[t] flew through the air and
  landed in the mud}.
- "I don't want to be your friend {any more|anymore}!" {shouted|cried} [h]. "{Good|Fine}!"
  {shouted|cried} [f].
@ para
@ tell
- each went home {alone|by a different way}. {The house was very quiet.|There was nobody to
  laugh with.}
- for {two days|three days|a whole week} they did not speak. {[h] played alone. It was
  boring.|When one came, the other looked away.}
- [h] {stamped|marched} home and slammed the door. But being angry {was hard work|got boring
  after an hour}.
@ tell
- <felt_sad>.
- at night [h] {thought of|missed} [f]'s {laugh|jokes|silly songs}.
@ run aside
@ say m ask
- What matters more, {[h]|my dear}, the [t.noun] or [f]?
- Do you still remember {why you are angry|what it was about}?
- Who is going to say it first? {Somebody must.|It could be you.}
@ tell
- [h] put on [h.his] {jacket|boots|cap} and {went|ran} to find [f]. Halfway there, [h.he] met...
  [f], who was {coming to see [h.him]|on the way to [h.him]}!
- <next_day> [h] {wrote|made} a {card|letter|picture} and {pushed|slid} it under [f]'s door.
  {The door opened at once.|A small voice said, "Wait!"}
- <finally> [h] {stood before|knocked at} [f]'s door.
@ say h sad
- I'm sorry. {I miss you.|I was selfish.|You are more important than any [t.noun].}
- I was wrong. {Can we be friends again?|Let's not fight.}
@ say f sad
- I'm sorry, too. {I was just as bad.|I missed you so much.}
- Me too. {It is no fun without you.|I wanted to say it first!}
@ tell
- they {mended|cleaned|fixed} [t.it] together. From then on [h] had [t.it] on {Mondays|even
  days} and [f] on {Tuesdays|odd days}, and on Sundays they [t.used] together.
- they made a rule: {one counts to twenty, then they swap|first one, then the other, and no
  shouting}. {It worked very well.|It was better with two, anyway.}
- and [t]? They {gave [t.it] to a little one who had none|hung [t.it] in a tree, for
  everybody|made something new out of [t.it]}.
@ end
- a friend is worth more than {any toy|any treasure}
- two can share when they take turns
- it is never too late to say sorry
- being right is not as nice as being friends

# The thing to be afraid of | out
@ let a
- the dark / the lamp went out / the dark was soft, like a blanket, and full of stars / out in
  the dark / in the attic
- deep water / the youngest duckling got tangled in weeds / the water carried [h.him] like a big
  hand / out in the water / by the pond
- thunder / a small bird fell out of its nest in a storm / thunder was only the sky clearing its
  throat / out in the storm / out in the fields
- high places / a kitten cried on top of the ladder / from up there one could see the whole
  world / high up / in the barn
- big dogs / a big dog howled with a thorn in its paw / the big dog licked [h.his] face and was
  as soft as a rug / behind the fence with the dog / behind the mill
- the cellar / [m] got locked in the cellar / the cellar was full of apples and had a friendly
  echo / down in the cellar / at home
- the bridge / somebody called for help from the other side of the bridge / the bridge only
  swung a little, like a cradle / on the other side of the bridge / by the old bridge
- strangers / an old man dropped all his oranges / most strangers smile when you smile / among
  the rolling oranges / at the bus stop
- spiders / a tiny spider sat in the wash bowl and could not get out / the spider waved with one
  leg, or so it seemed / in the slippery bowl / in the wash house
@ tell
- but there was one thing that made [h.him] {shake|tremble}: [a].
- [h] was not afraid of {lions|ghosts|the dentist}. [h.He] was only afraid of [a].
- nobody knew it, but [h] was {terribly|very} afraid of [a].
@ maybe 0.5
- {the others laughed|[h.his] cousins laughed} about it{, and that made it worse|}.
- whenever [h.he] could, [h.he] {went the long way around|stayed away|thought of something
  else}.
- "Everyone is afraid of something," said [m]. "{I am afraid of {mice|geese|the barber}|It is
  all right}."
@ tell
- <one_day> [h] was [a.5].
- <one_day> [h] and some friends were [a.5].
- <one_day>, [a.5], [h] was {playing|whistling|looking for snails}.
- [h] had something to do [a.5], and <one_day> [h.he] went there.
@ tell
- <suddenly> [a.2].
- <suddenly> it happened: [a.2].
@ maybe 0.7
- "{Help|Please, help}!" {called|cried} a {small|thin|weak} voice.
- [h] looked around. {Nobody else was there.|No grown-up was near.} {It had to be [h].|What
  now?}
@ para
@ tell
- <felt_scared>.
- <felt_scared>. Everything in [h.him] said, "Run!"
@ run aside
@ say h whisper
- I can do it. {One step.|Just one step, and then one more.|If I don't, who will?}
- I am scared. {But I am going anyway.|But somebody needs me.}
@ some 2
- [h] {bit|pressed} [h.his] lips together and {took one step|went on}. Then {another|one more}.
- [h.his] heart {beat like a drum|thumped}, but [h.his] feet {kept going|walked on by themselves}.
- [h.he] sang {quietly|a brave song} {all the while|through [h.his] teeth}.
- [h.he] thought of {[m]|warm soup|all who had ever been brave}.
@ tell
- and then it was {done|over}. There, [a.4], {everything was fine|all was well again}!
- it took {only a minute|longer than [h.he] thought}, but in the end {everyone was safe|help had
  come in time}, thanks to [h].
@ tell
- and what did [h] {find out|notice}? ^[a.3].
- strange: [a.3].
- [h] {opened [h.his] eyes|looked around}. It was true: [a.3].
@ say o happy
- That was brave! {I saw it all.|Not everyone would have done that.}
- Well done, {little one|[h]}! {Were you not afraid?|You are a hero.}
@ say h answer
- I was afraid {the whole time|all the way}. {But I did it anyway.|My knees are still shaking.}
- I am still a little afraid of [a]. {But only a little.|But now I know that I can.}
@ end
- being brave means to be afraid and go on
- most things are smaller when you look at them closely
- courage grows with every step
- even small ones can do big things

# The show-off | f out
@ let b
- run / race to the old windmill / stopped to wave at everybody and ran the wrong way / ran
- jump / jump over the brook / looked around to see who was watching and landed in the mud /
  jumped
- sing / singing contest / sang so loudly that [h.his] voice broke / sang
- swim / race across the pond / turned around to laugh and swam into the reeds / swam
- build / contest for the tallest tower / left out the bottom stones to be faster, and it all
  came down / built
- climb / climb up the big rock / took the steep way to impress everyone and got stuck / climbed
- dance / dance at the summer fair / spun so wildly that [h.he] got dizzy and fell into the
  flowers / danced
@ tell
- [h] could [b] {very well|better than most}, and [h.he] {told everybody|said so every day}.
- nobody could [b] like [h]. {At least, [h] said so.|At breakfast, at lunch and at supper, [h]
  talked about it.}
@ say h happy
- I am the {best|greatest}! {Nobody can beat me.|Not even the wind.|You are all so slow.}
- Did you see that? {I am amazing!|Who wants to lose against me?}
@ tell
- [f], a {quiet|small|round} [f.kind], {listened|said nothing}. [f.He] practiced {every
  evening|when nobody was looking}.
- "You are good, [h]," said [f], a {small|quiet} [f.kind]. "But others are good, too." [h] {only
  laughed|did not hear it}.
@ tell
- <one_day> there was a [b.2].
- <one_day> [o] {called|invited} everyone to a [b.2]. {The prize was <snack>.|Everybody came.}
@ run scene
@ para
@ say h happy
- This will be easy! {I don't need to practice.|I could do it asleep.}
- You may as well go home, [f]. {I have already won.|I can smell victory.}
@ say f answer
- We will see. {Good luck, [h].|I will do my best.}
- May the best one win. {And let's have fun.|Good luck!}
@ tell
- {one, two, three, go|ready, steady, go}! [h] [b.4] {like never before|with [h.his] nose in the
  air}. But then [h.he] [b.3].
- at first [h] was {far ahead|the best by far}. But [h.he] [b.3].
@ tell
- [f] [b.4] {slowly and carefully|step by step|as [f.he] had practiced}. And [f] {won|came
  first}!
- {meanwhile|in the meantime}, [f] {just went on|did not look left or right}. Everyone
  {cheered|clapped}: [f] had won!
@ run aside
@ tell
- <felt_sad>. [h.He] had {mud|straw} in [h.his] {ears|hair} and nothing to say.
- now [h] {waited for|was sure of} one thing: they would all laugh. But [f] {came over|held out
  [f.his] [f.hands]}.
@ say f answer
- You are really good, [h]. {Will you show me your trick?|If you looked ahead, nobody could beat
  you.}
- Come and share the prize with me. {It was close.|It is too much for one.}
@ say h sad
- You won because you {practiced|were careful}. {I was only loud.|I just talked.} {Well done.|I
  am sorry that I laughed at you.}
- I was a show-off. {You are a good winner, [f].|Can we practice together?}
@ maybe 0.7
- from that day on they practiced together, and {both got better|sometimes one won, sometimes
  the other}.
- [h] still {boasts|brags} sometimes. Then [f] {coughs|points at the mud}, and they both
  {laugh|burst out laughing}.
@ end
- big words do not win a race
- those who boast the loudest stumble the soonest
- a good winner is kind
- it is better to do than to brag

# The lonely neighbor |
@ let r
- Mr. Grim / he / his / an old sailor / maps and ships in bottles / rope knots
- Mrs. Thorn / she / her / once a dancer in a circus / posters of elephants / the waltz
- old Mr. Bell / he / his / a clockmaker / a hundred clocks / how a clock works
- Miss Pepper / she / her / a pilot long ago / model planes / paper gliders
- Mr. Moss / he / his / a gardener of the king / pots of rare flowers / how to talk to roses
- Mrs. Frost / she / her / a baker / tins with secret recipes / gingerbread
- Mr. Crow / he / his / a fiddler / seven dusty fiddles / three merry tunes
@ tell
- in the {last|grey|crooked} house {lived|there lived} [r]. {Nobody ever visited|Everyone was a
  little afraid of} [r].
- nearby lived [r], who never {smiled|came out}. "{Stay away from there|[r] eats children}," the
  others {said|whispered}.
@ tell
- <one_day> [h]'s {ball|hat|kite} flew {over the hedge|through the fence} into [r]'s garden.
- <one_day> a letter for [r] {came to|was left at} [h]'s door by mistake.
- <one_day> [h] saw that [r] {had dropped all the shopping|was trying to lift a heavy bag}.
@ tell
- <felt_scared>. But {somebody had to go|it had to be done}.
- [h] stood before the {gate|door} for a long time. Then [h.he] {knocked|rang the bell}. Knock,
  knock.
@ run aside
@ para
@ tell
- the door {creaked|opened slowly}. "{What do you want|Yes}?" said a {rough|thin|deep} voice.
- there was a {shuffling|cough} behind the door. Then two {grey|tired} eyes looked out.
@ say h say
- Good day. {I wanted to help.|I did not mean to bother you.} {I am [h] from next door.|May I
  come in?}
- I am [h]. {I'm sorry for the trouble.|I thought you might like some company.}
@ tell
- [r] {looked at [h] for a long while|blinked}. "{Nobody has knocked for years|It is so long
  since I had a visitor}," [r.2] said. {"Come in."|And the door opened wide.}
- and then something happened: [r] smiled. {It looked a little rusty.|It was a small smile, but
  a real one.}
@ tell
- inside there were [r.5]! [r] {turned out to be|was} [r.4].
- what a {house|room}! Everywhere [h] saw [r.5]. "I was [r.4]," said [r].
@ tell
- they {drank cocoa|had <snack>}, and [r] told {stories|one story after the other} until {it got
  dark|the lamp was lit}.
- "{Will you tell me about it|And what happened then}?" asked [h]. And [r] {told and told|did},
  and [r.3] eyes {shone|grew young}.
@ tell
- after that [h] came every {Friday|Sunday|week}, and [r] {taught [h.him]|showed [h.him]} [r.6].
- <soon> [h] was {learning|being taught} [r.6]. {[m] could hardly believe it.|Nobody else could
  do that.}
@ tell
- {one day|later} the others {came along, too|asked to come along}. {They were very quiet at
  first, and then very loud.|The grey house was full of noise.}
- [h] told the others, "You were wrong. {[r] is not mean. [r] was only lonely.|You never
  asked.}"
@ maybe 0.6
- "You {are the best medicine|brought the sun in}," said [r].
- and the garden gate? It {stands open now|was never locked again}.
@ end
- some people are not mean but lonely
- you must knock before you know who lives there
- old people are full of stories
- a visit costs nothing and is worth a lot
"""
