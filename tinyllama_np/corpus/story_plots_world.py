"""Plots of the embedded stories, third part: weather, creatures, riddles, gardens and journeys."""

from __future__ import annotations

SCRIPT = """
# The storm | f
@ run go
@ tell
- [h.his] friend [f] was there, too, and they {built a dam|played hide and seek|looked for {snails|treasure}|made a tower of stones}.
- together with [f], a [f.kind], [h] {was building a castle|was looking for {berries|feathers}|played pirates}.
@ tell
- <suddenly> it {got dark|grew cold}. A black cloud {came over the hill|rolled in|covered the sun}.
- at first it was only {a drop|one fat drop on the nose}. Then {ten|two more}. Then the sky {opened|let everything go}.
- nobody saw the clouds until {the first thunder rumbled|the wind began to howl}.
@ say f cry
- A storm! {Run!|We must find shelter!|What shall we do?}
- Did you hear that? {It's thunder!|Let's go home!}
@ some 2
- the wind {bent the trees|tore at everything|howled}, and the rain came {sideways|down in ropes}.
- boom! {Thunder|The thunder} {rolled|crashed} {over their heads|from one end of the sky to the other}.
- {lightning|a flash of lightning} {lit up|turned} everything {white|bright as day}.
- in no time they were {soaked|wet to the skin|dripping}.
@ para
@ tell
- [h] remembered what [m] had {taught|told} [h.him]: never stand under a {lone|tall} tree in a storm. So they {crawled|hurried} {into a dry hollow|under a low roof|into a hut}.
- "Not under the tree!" said [h]. "{Over there|This way}!" They found {a small cave|an old shed|a dry place under a ledge}.
@ tell
- [f] {shook|was trembling} {like a leaf|all over}. [h] was afraid, too, but [h.he] {did not say so|held [f]'s [f.hands]}.
- it was {dark|narrow} inside, and {something moved! It was just a wet {hen|rabbit|toad}|water dripped from above}. [f] began to cry.
@ run aside
@ say h answer
- Let's count after each flash. {One, two, three...|The longer we count, the farther away it is.}
- I know a song about rain. {Sing with me!|It is a silly one.}
- Pretend {the thunder is a giant moving his chairs|we are in the belly of a whale}. {What is he doing now?|See? It only rumbles.}
@ tell
- so they {counted|sang|told stories}, first {quietly|in shaky voices}, then {louder|louder than the rain}. The thunder {grumbled|went} farther and farther away.
- they {huddled together|sat close together} and shared {a damp bun|one mint|a squashed sandwich}. {Little by little|Slowly}, the {noise|storm} passed.
@ tell
- <finally> {a ray of sun|a little blue|the sun} {came through|peeped out}. {Everything sparkled.|The whole world dripped and shone.}
- when they {crept|came} out, there was a rainbow {over the hill|from one side to the other}. {"Look!" they both said.|They said nothing for a while.}
@ tell
- the {dam|castle|tower} was {gone|washed away}. "We will build a better one," said [h].
- a {branch|big branch} lay {right where they had been playing|across the path}. {They looked at each other.|[f] swallowed.}
- then [m] came running with {a blanket|dry clothes|a lantern}. "{There you are|Thank goodness}!"
@ run joy
@ end
- after every storm the sun comes back
- fear is smaller when it is shared
- it is good to know what to do in a storm
- a song can be stronger than thunder

# The creature in trouble |
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
- <suddenly> [h] heard a {thin|tiny|sad} sound. It came from {close by|somewhere below}. [p.spot], [h.he] found a little [c] with [c.2].
- [p.spot] something moved. It was a [c] with [c.2].
- what was that, [p.spot]? A [c], with [c.2]!
@ say h whisper
- Don't be afraid. {I won't hurt you.|I will help you.}
- Oh, you poor thing! {What happened to you?|Wait, I will get help.}
@ tell
- it {trembled|looked at [h] with big eyes|tried to get away and could not}.
- its heart {beat so fast|was beating} that [h] could {feel|see} it.
@ run aside
@ para
@ tell
- [h] {did not know what to do|was not sure how to help}, so [h.he] ran to {get|fetch} [m].
- {[o]|[o.a]} came over and {knelt down|had a look}.
@ say o answer
- First it needs {quiet and warmth|rest}. {Be gentle.|Don't hold it too tight.}
- It is good that you {called|didn't pull}. {We must be slow and careful.|Little creatures are easily frightened.}
@ tell
- at home they made {a bed for it|a place for it}: [c.3].
- they got [c.3]. The [c] {closed its eyes|grew calm|let out a small sigh}.
@ some 2
- [h] {gave it water|brought it food} {drop by drop|on a leaf|every hour}.
- every {morning|evening} [h] {looked in on it|sat with it} and told it {a story|the news of the day}.
- one night it was {very weak|very still}, and [h] {stayed awake|did not leave its side}.
- [h] wanted to keep it {for ever|for [h.himself]}. [h.He] even {chose a name for it|thought of a name}.
@ tell
- <soon>, it was {strong|well} again. [h] knew what that meant.
- {a week|some days} later it was better. It {looked out of|turned toward} the window {all the time|again and again}.
@ say m answer
- It is a wild thing and wants to go home. {You did your part.|If you love it, let it go.}
- Its family is waiting. {Open the door, <dear>.|It will not forget you.}
@ tell
- [h] {swallowed|took a deep breath} and {opened the door|carried it outside}. The [c] [c.4] {a little way|up}, turned {once|around}, and was gone.
- so they took it back [p.to]. Off it [c.4]! At the last moment it {looked back|made a small sound, like a thank you}.
@ tell
- {in spring|weeks later|the next year}, [h] found {a feather|three nuts|a shiny pebble|a wild flower} on the {step|window sill}. {Who had put it there?|[h] knew who it was from.}
- {sometimes|now and then}, when [h] is [p.in], a [c] {comes quite close|sits nearby} and is not afraid.
- some time later [h] {got lost in the fog|lost the way}. {There it was|A [c] came}, went ahead and {showed the way|led [h.him] home}.
@ end
- to love something can mean to let it go
- small kindnesses come back
- gentle hands are strong hands
- every creature wants to be free

# Who was it? | f
@ let y
- the pies disappeared from the window sill / crumbs / a hungry hedgehog family / left a bowl out for them every night
- there were muddy footprints on the clean floor / wet prints / a duck who was looking for a dry place to nest / made a nest of straw for her
- something knocked at the window every night / scratches / a branch that danced in the wind / tied the branch back with string
- one sock was missing from each pair / a thread / a mouse who needed beds for her eleven children / gave her all the old socks
- the carrots in the garden had bites in them / tiny tooth marks / three little rabbits with no garden / planted one row just for them
- a strange humming came from the attic / dust and honey / a swarm of bees that had lost its home / built them a hive
- somebody had painted the fence with blue dots / blue spots in the grass / a jay who had stepped in the paint / painted the rest with dots, too
- the milk was gone every morning / white drops / a thin cat with two kittens / took all three of them in
- a ghost sighed in the barn / a trail of straw / an old donkey who could not sleep / brought him a blanket and a lantern
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
- [h.his] friend [f] {came along|wanted to help}, even though [f.he] was {a little scared|more scared than [f.he] said}.
- [h] {called|asked} [f], a [f.kind] with {a good nose|sharp eyes|a lamp}.
@ para
@ tell
- they {looked|searched} {for clues|everywhere}. And what did they {find|see}? ^[y.2]!
- {on the ground|right by the door} there was the first clue: [y.2].
@ some 2
- they followed {the trail|it} {around the house|along the fence}. At the end there was {nothing|<odd_find>}. A false {track|clue}!
- [f] {suspected|was sure it was} [o]. But [o] {had been away all week|only laughed and gave them a plum}.
- [h] wrote it all down {in a notebook|on [h.his] arm}, with {arrows|a drawing}.
- they sprinkled {flour|sand} on the ground and waited.
@ run aside
@ tell
- {that|the same} night they hid {behind a barrel|under a blanket|in the bushes} and {waited|kept watch}. {The moon came up.|[f] almost fell asleep.} Then something {moved|rustled}!
- when it got dark, they {lay in wait|hid}. Ten o'clock. Eleven. Then... {a noise|a shadow}!
@ tell
- <felt_scared>.
- "{Don't push|Are you scared}?" whispered [f]. "{No|A little}," {whispered|said} [h].
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
- after that, [h] and [f] {opened a detective office under the stairs|got a lot of mail: who took my spoon, who ate my soap}.
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
- <one_day> [o] gave [h] a seed. It was {small and brown|no bigger than a crumb|wrinkled and plain}.
- <one_day>, [p.in], [h] found a seed [p.spot]. It looked like {nothing at all|a crumb}.
- "This is for you," said [m] {one spring morning|one day}, and put a seed in [h]'s hand. {It was tiny.|"Just a seed?" asked [h].}
@ say h ask
- What will it be?
- Is that all? {What can I do with it?|It is so small!}
@ say o answer
- Plant it, water it and wait. {The last is the hardest.|Waiting is the secret.}
- Everything is already inside it. {Give it earth, water and time.|You will see.}
@ tell
- [h] {dug|made} a hole, put the seed in, {said good night to it|covered it up} and {watered it|gave it a drink}.
- so [h] planted it {by the wall|in an old pot|where the sun comes first} and put a {stick|little sign} next to it.
@ para
@ tell
- <next_day> [h] {ran out to look|looked}. Nothing. The day after: nothing. {A week went by.|And so it went on.}
- every morning [h] {ran to see|knelt down to look}. {Earth. Only earth.|There was nothing, not even a tip.}
@ some 2
- [h] {sang to it|told it jokes|read it a book about trees}.
- "{Hurry up|Grow}!" {said|shouted} [h]. The earth {said nothing|did not answer}.
- once [h] {wanted to dig it up|even began to dig} to see {if it was still there|what was wrong}. "{Don't|Leave it}," said [m]. "It is working in the dark."
- it {rained for three days|was dry for weeks}, and [h] {worried|carried water from far away}.
- the others {laughed|shook their heads}. "You are watering {dirt|a stone}," they said.
@ run aside
@ tell
- <felt_sad>. "It is dead," [h.he] said. {But [h.he] watered it once more.|Still, [h.he] went out with the can.}
- [h] {almost|nearly} gave up. {But only almost.|But a little voice said: one more day.}
@ tell
- and then, {one morning|on the twentieth day}, there was {a green tip|something green}, no bigger than {an eyelash|a grain of rice}!
- <finally> the earth {cracked|moved}. A {tiny|bent} green {neck|thread} {pushed out|looked out}.
@ say h cry
- It's alive! {Come and look!|[m.call], come quickly!}
- <hurray> {It is here!|It has two leaves!}
@ tell
- it grew and grew. Once [z.4], but it {did not give up|went on}. By {summer|autumn} there stood a [z], [z.2].
- {week by week|day by day} it got {bigger|taller}. [z.4], and [h] {helped|took good care of it}. In the end it was a real [z], [z.2].
@ tell
- everybody came to see {it|the [z.3] wonder}. And in the middle of it were {a hundred|twelve} new seeds. [h] gave {one to each of them|them all away}.
- [h] sat {in its shade|beside it} and {felt very rich|thought of the tiny seed}.
@ end
- good things need time
- patience is a kind of strength
- what is small can become great
- not everything that is quiet is asleep

# Lost |
@ let l
- a blue butterfly / fluttered / from flower to flower
- a frog / hopped / from stone to stone
- a red balloon / floated / over one fence after the other
- the sound of a flute / came / from farther and farther away
- a squirrel / ran / from tree to tree
- a white feather / flew / along with the wind
- a funny little dog / trotted / around every corner
@ tell
- "Stay {close to me|where I can see you}," said [m] {when they came|as they walked} [p.to].
- <one_day> [m] and [h] were [p.in]. "Don't {run off|go far}," said [m].
@ run scene
@ tell
- then [h] saw [l]. It [l.2] [l.3], and [h] {went after it|followed}{, step by step|}.
- but there was [l]! It [l.2] [l.3]. [h] {only wanted to see where it would go|forgot everything else}.
@ tell
- when it was gone, [h] {looked around|turned around}. {Everything|The place} looked {strange|different}. Where was [m]?
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
- then [h] remembered a rule: {if you are lost, stay where you are|when lost, stop and think|ask someone who works there}.
- "If you get lost," [m] had once said, "{stay in one place and I will find you|ask somebody with a kind face and a job to do}."
@ run aside
@ tell
- so [h] sat down [p.spot] and {waited|counted slowly}. {After a while|Then} [o] came {by|over}.
- [h] {saw|went up to} [o], who {looked kind|was busy}. {It took courage to speak.|"Excuse me," said [h.he].}
@ say o ask
- Are you {all alone|lost}, little one? {What is your name?|Whom are you looking for?}
- Why do you look so {sad|pale}? {Where are your people?|Can I help?}
@ say h sad
- I lost [m.call]. {I was only gone a minute.|I followed [l].}
- I am [h], and I don't know {where I am|the way back}.
@ say o answer
- Then we shall wait {right here|together}. {Somebody is looking for you just as hard.|Do you like <snack>?}
- You did the right thing. {What does [m.call] look like?|Let's call together, one, two, three.}
@ tell
- they {called|shouted} together, and [o] had a voice like a {trumpet|foghorn}. {From far away|At last}, somebody answered!
- [o] lifted [h] up high. "{What do you see|Look around}!" And there, {far off|between all the others}, was [m]!
- it was not long until {quick steps came|somebody came running}. It was [m]!
@ tell
- [m] held [h] {so tight that it almost hurt|and did not say a word}. "{I was so worried|I looked everywhere}," [m.he] said.
- they ran toward each other. {Both of them cried a bit.|Both said sorry at the same time.}
@ say h say
- I will stay close {from now on|now}. {I promise.|Really.}
- I'm sorry that I ran off. {It was so pretty.|I forgot to look back.}
@ end
- when you are lost, it is best to stay in one place
- it is wise to look back now and then
- there is often somebody who will help
- one should tell someone before going off

# Building it together | f
@ let j
- tree house / boards and ropes / the boards were too heavy / the first rain came through the roof
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
- "Shall I help you?" asked [f], the [f.kind] {next door|from over the way}. "No, thank you. It is my [j]," said [h].
@ tell
- [h.he] {dragged|carried} [j.2] {together|to the spot} and {set to work|began}. But [j.3].
- all morning [h] {worked|built} with [j.2]. But [j.3].
@ maybe 0.6
- "{Bother|Oh, no}!" said [h], and {kicked a bucket|sat down on the ground}.
- {by noon|after an hour}, it looked more like {a heap|a pile of nothing} than a [j].
@ run aside
@ para
@ tell
- [f] was still there, {sitting on a stone|chewing a straw}. "I know how to {tie knots|measure|keep things straight}," {said [f.he]|[f.he] said} {softly|to nobody}.
- then [h] {saw|noticed} what [f] had {drawn in the sand|made from twigs}: a plan of a [j]. It was a {very|really} good plan.
@ say h say
- Would you {still|perhaps} like to help? {I can't do it alone.|It is too much for one.}
- You know things that I don't. {Let's build it together.|Please help me.}
@ say f happy
- I thought you would never ask! {You hold, and I tie.|First we need a plan.}
- <yes>! {I'll get the rope.|Let's call the others, too.}
@ some 2
- [h] was strong and {carried|lifted}. [f] was {careful|clever} and {measured|tied the knots}.
- [o] {brought|lent them} a {hammer|saw|ladder} and {good advice|a bag of nails}.
- {a little one|the smallest of the neighbors} {handed them things|painted the door} and {was very important|felt very important}.
- they {argued|quarreled} once, about the {door|color}, and then {tossed a coin|made it half and half}.
- "One, two, three, lift!" And this time it {held|worked}.
@ tell
- {before evening|two days later}, the [j] was {finished|ready}. {It was a bit crooked, and it was wonderful.|They hung up a flag.}
- <finally> it was done: a [j] with {a flag|a sign}. {On it stood two names.|"Everybody welcome," it said.}
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
- in the {last|grey|crooked} house {lived|there lived} [r]. {Nobody ever visited|Everyone was a little afraid of} [r].
- nearby lived [r], who never {smiled|came out}. "{Stay away from there|[r] eats children}," the others {said|whispered}.
@ tell
- <one_day> [h]'s {ball|hat|kite} flew {over the hedge|through the fence} into [r]'s garden.
- <one_day> a letter for [r] {came to|was left at} [h]'s door by mistake.
- <one_day> [h] saw that [r] {had dropped all the shopping|was trying to lift a heavy bag}.
@ tell
- <felt_scared>. But {somebody had to go|it had to be done}.
- [h] stood before the {gate|door} for a long time. Then [h.he] {knocked|rang the bell}. Knock, knock.
@ run aside
@ para
@ tell
- the door {creaked|opened slowly}. "{What do you want|Yes}?" said a {rough|thin|deep} voice.
- there was a {shuffling|cough} behind the door. Then two {grey|tired} eyes looked out.
@ say h say
- Good day. {I wanted to help.|I did not mean to bother you.} {I am [h] from next door.|May I come in?}
- I am [h]. {I'm sorry for the trouble.|I thought you might like some company.}
@ tell
- [r] {looked at [h] for a long while|blinked}. "{Nobody has knocked for years|It is so long since I had a visitor}," [r.2] said. {"Come in."|And the door opened wide.}
- and then something happened: [r] smiled. {It looked a little rusty.|It was a small smile, but a real one.}
@ tell
- inside there were [r.5]! [r] {turned out to be|was} [r.4].
- what a {house|room}! Everywhere [h] saw [r.5]. "I was [r.4]," said [r].
@ tell
- they {drank cocoa|had <snack>}, and [r] told {stories|one story after the other} until {it got dark|the lamp was lit}.
- "{Will you tell me about it|Tell me more}?" asked [h]. And [r] {told and told|did}, and [r.3] eyes {shone|grew young}.
@ tell
- after that [h] came every {Friday|Sunday|week}, and [r] {taught [h.him]|showed [h.him]} [r.6].
- <soon> [h] was {learning|being taught} [r.6]. {[m] could hardly believe it.|Nobody else could do that.}
@ tell
- {one day|later} the others {came along, too|asked to come along}. {They were very quiet at first, and then very loud.|The grey house was full of noise.}
- [h] told the others, "You were wrong. {[r] is not mean. [r] was only lonely.|You never asked.}"
@ maybe 0.6
- "You {are the best medicine|brought the sun in}," said [r].
- and the garden gate? It {stands open now|was never locked again}.
@ end
- some people are not mean but lonely
- you must knock before you know who lives there
- old people are full of stories
- a visit costs nothing and is worth a lot

# The journey to see it | f
@ let e
- the sea / salt in the air / it was bigger than all the fields together / put a shell in a pocket
- the first train / a whistle from far away / it was black and puffed like an angry bull / waved until it was gone
- the end of the rainbow / colors that always moved away / there was no gold, but a lake full of light / drank from it
- the moon in the lake / silver between the trees / it lay in the water like a plate / said good night to it
- the whale / a fountain on the water / it was as long as a street / heard it sing
- the cave of echoes / cold air / it answered in their own voices / called their names
- the oldest tree in the land / leaves as big as plates / ten of them could not have reached around it / leaned against it
- the snow on the mountain / a white line above the woods / it was colder and softer than they had thought / made one snowball each
@ tell
- [h] had {always|for years} wanted to see [e]. {[f.his] friend [f] had never seen it, either.|"So have I," said [h.his] friend [f].}
- "Have you ever seen [e]?" asked [f], [h]'s {friend|cousin}. "{No|Never}," said [h]. "Then let's go!"
@ tell
- <one_day> they packed {bread and a rope|<snack>|a lamp, a blanket and two apples} and {set off|started}, with [m]'s {blessing|old map|advice: be back by Sunday}.
- [m] {gave them|packed them} <snack> and a {map|whistle}, and <one_day> they {left|set off}.
@ some 2
- they {crossed|waded through} a {river|cold stream} {on slippery stones|holding hands}.
- they came to a {fork|place where the path split}. {Left or right?|Which way now?} {They tossed a coin.|A snail pointed left, or so it seemed.}
- on the way they met [o]. "It is {not far|a long way}," said [o]. "{Follow the swallows|Just keep the wind in your face}."
- it rained. They {sat under a cart|crept under a leaf roof} and {told riddles|ate half of the food}.
- there was a {hill|slope} so steep that they {had to pull each other up|crawled on hands and knees}.
- a {goose|goat|ram} would not let them pass until they {sang for it|gave it a bun}.
@ run aside
@ para
@ tell
- "My feet hurt," said [f]. "{Let's turn around|I can't go on}."
- [h] had a blister and {wanted to go home|no more breath}. "{I give up|It's too far}," [h.he] said.
@ tell
- the other {said nothing and took the heavy bag|said, "Just to that next tree." And then: "Just to the next one."}
- they {rested|shared the last bun}. "{We have come so far|Ten more steps}," said one of them. "{One more hill|Then we'll see}."
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
- the way home {was|seemed} {much shorter|half as long}. {[m] was waiting at the door.|They sang all the way.}
- they {got home|came back} {late and tired|on Sunday, dusty and proud}, and [m] had to hear {all of it|it three times}.
@ end
- you get anywhere if you go on one step at a time
- a long way is shorter with a friend
- the way is as good as the place
- one should not turn back too soon
"""
