"""Plots of the embedded stories, first part: things lost, shared, broken, given and wished for."""

from __future__ import annotations

SCRIPT = """
# The thing that rolled away | t:rolls
@ tell
- [m] had given [h] [t.a] {for [h.his] birthday|last winter|as a present}.
- of all [h.his] {toys|treasures|things}, [h] loved one the most: [t.a].
- [h] owned [t.a], and {nobody|no one} was allowed to touch [t.it] {without asking|with dirty [h.hands]}.
- {under the bed|in a box}, [h] kept [t.a]. It was a gift from [m].
@ run go
@ tell
- [h] [t.used] {again and again|for an hour|until [h.his] arms hurt}.
- of course, [t] came along. [h] [t.used] and sang.
- "{Watch this|Look at me}!" cried [h] and [t.used] {as hard as [h.he] could|very high|with one [h.hands]}.
@ tell
- <suddenly> [t] {slipped from [h.his] [h.hands]|got away} and rolled {down the path|away|off}, faster and faster.
- <suddenly> [t] hit a {stone|bump|root} and rolled {out of sight|away|down the slope}.
- but the ground was {steep|not flat}, and <soon> [t] was rolling {away|down, down, down}.
@ maybe 0.5
- [h] {ran after [t.it]|chased [t.it]|gave chase}, but [t.it] was {too fast|gone|quicker}.
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
- Round things roll to the lowest place. {Have you looked down there|Did you try the bottom of the slope}?
- Things that roll always stop somewhere. {Let's follow the slope|Let's see where the ground is lowest}.
@ maybe 0.6
- [h] told [o] {all about it|about [t]|what had happened}.
- [h] explained, and together they followed the {slope|track|way it had rolled}.
@ para
@ tell
- and there, [p.spot], {lay|was} [t.full], {a bit dusty|none the worse for it|safe and sound}!
- <finally> they {looked|searched} [p.spot]. There [t.it] was, {dusty but whole|waiting|with a ladybug on top}!
- [o] reached [p.spot] and pulled out... [t]!
@ say h happy
- Thank you! {I thought [t.it] was gone forever.|I will hold on tight now.|You have sharp eyes!}
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

# Gone with the wind | t:blows f
@ tell
- [h] and [f], a [f.kind] from {next door|the other side of the road|nearby}, had {made|found|bought} [t.a].
- [h]'s friend [f] had lent [h.him] [t.a]. "{Take good care of it|Please be careful with it}," [f] had said.
- [h] had saved up {for weeks|all summer} to buy [t.a].
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
- <suddenly> the wind {pulled|tore} [t] out of [h]'s [h.hands] and {carried|blew} [t.it] {high up|away over the roofs|into the tallest tree}.
- whoosh! A {gust|blast} of wind took [t]. Up [t.it] went, {higher and higher|over the fence|turning and turning}, until [t.it] {got stuck in|landed in|hung from} {a tree|the top of an oak|a high branch}.
@ run aside
@ tell
- <felt_sad>.
- [h] stared {up|at the sky}. "It's my fault," [h.he] {said|whispered}.
- "I should have listened," said [h].
@ some 2
- [h] tried to climb, but the {lowest branch|trunk} was too {high|slippery}.
- [f] threw {a stick|a pinecone|an old shoe}. It missed{ by a mile|}. The stick {got stuck|came back down}.
- they {shook|kicked} the tree. Only {leaves|two acorns|a surprised squirrel} came down.
- they jumped as high as they could, which was not high {at all|enough}.
@ tell
- <then> [f] had an idea. "{Climb on my shoulders|Stand on my back}!"
- "{Wait|I know}," said [f]. "Alone we are {too small|short}. But {together|one on top of the other} we are {tall|a giant}."
- [o] {came by with|lent them|went to get} a {ladder|long pole|rope}.
@ tell
- it {wobbled|was a wobbly business}, and they {almost fell|had to try three times}, but <finally> [h] {touched|reached} [t] and pulled [t.it] {free|down}.
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

# Downstream | t:floats f
@ tell
- [h] had [t.a] that [h.he] had {built|painted|got from [m]}.
- "{Is it ready|Does it float}?" asked [f]. [f.he] was [h]'s {best friend|cousin|neighbor}, and [t.a] lay between them {in the grass|on the ground}.
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
- <then> the {current|water} caught [t], and off [t.it] {sailed|went}, {past the reeds|under the willows|around the bend}.
- <suddenly> [t] {slipped away|drifted out of reach|was in the middle of the [w]}.
@ say h cry
- Stop it! {It's getting away!|Quick, [f], the stick!}
- Oh no! {It's floating off!|The current has it!|Run!}
@ para
@ tell
- they ran along the {bank|path}, {over stones and roots|through nettles and mud}, but the water was faster.
- [h] wanted to jump in, but [f] held [h.him] {back|by the arm}. "It is too deep," [f.he] said. "We must {run to the [w.2]|get ahead of it}."
- a {log|bush} was in the way. By the time they had climbed over it, [t] was {a small dot|far off}.
@ run aside
@ tell
- at the [w.2] they met [o.a], who {was fishing|was resting|had wet feet}.
- near the [w.2] {sat|stood} [o.a].
@ say h ask
- Please, have you seen [t.a]?
- Did [t.a] come by here?
@ say o answer
- {Something|A little [t.noun]} came by just now. It is {stuck in the reeds|turning around behind that rock}.
- Indeed I have! {I thought a duck had lost it.|It nearly hit me on the nose.} It is {caught in the reeds|over there by the stones}.
@ tell
- with a long {branch|stick|fishing net}, [o] {pulled|fished} [t.it] out.
- [f] held [h]'s [h.hands], [h] leaned {far out|over the water}, and... there! Got it!
- very carefully, step by step, [h] waded in {up to the knees|where it was shallow} and brought [t.it] back.
@ tell
- it was {dripping|wet|muddy}, but {not broken|whole}.
- one side was {scratched|bent}. "Now it looks like a {real|proper} adventurer," said [f].
@ maybe 0.8
- [h] {tied|fixed} a long {string|thread} to [t.it]. {From then on|After that} [t.it] could sail {far away|anywhere} and {always came back|still come home}.
- "Next time, we use a string," said [h].
@ end
- friends run with you when it matters
- it is wise to stay out of deep water
- a little string can save a lot of tears
- even a long trip can end well

# A hole in the pocket | t:slips
@ tell
- [m] asked [h] to {bring|carry} [t.a] {to Grandma's friend|across town|to [o]} [p.in].
- [h] always carried [t.a] in [h.his] {pocket|bag}. {It was for luck.|It had belonged to [m].}
- on [h.his] birthday [h] {had got|was given} [t.a]. [h.He] put [t.it] into [h.his] pocket and {patted|checked} it {every few steps|ten times}.
@ run go
@ tell
- but when [h] {reached into|felt in} the pocket, {it was empty|there was nothing but a hole|[h.his] fingers came out on the other side}!
- <soon> [h] wanted to [t.use]. But the pocket was {empty|as empty as a drum}. There was a hole in it!
@ say h sad
- Oh no! {It must have fallen out.|Where did I lose [t.it]?|What will [m.call] say?}
- It was here {this morning|a minute ago}! {I am sure of it.|What now?}
@ tell
- <felt_sad>.
- <felt_scared>. What if [t.it] was gone {for good|for ever}?
@ para
@ say o answer
- Walk back the way you came, {little one|my friend}. {Slowly.|Step by step.} And look at the ground.
- Where were you when you had [t.it] last? {Start there.|Go back in your mind.}
@ some 2
- first, [h] {went|looked} [p.spot2]. There {lay|was} <odd_find>. No [t.noun].
- then [h.he] looked [p.spot3], but found only <odd_find>.
- something {glittered|shone}! [h] {bent down|ran}. It was just {a drop of water|a piece of glass|a candy wrapper}.
- a {crow|magpie|jay} with something in its beak flew up. But it was only a {nut|twig|crust}.
@ run aside
@ tell
- <finally>, when [h] was about to {give up|go home}, [h.he] saw a {glint|tiny flash|bit of color} [p.spot]. There [t.it] {was|lay}!
- <then> [h] remembered: [h.he] had {bent down to tie a shoe|jumped over a puddle|stopped to watch a snail} [p.spot]. [h.he] ran back, and there {it all lay|was what [h.he] had lost}!
@ run joy
@ tell
- at home, [m] got a needle and {showed [h] how to sew|taught [h.him] to mend a pocket}. The stitches were {crooked|big and crooked|not pretty}, but they held.
- [h] mended the pocket that {same|very} evening, with {red|strong|double} thread.
- "A small hole can {swallow big treasures|cause a big trouble}," said [m], and they {mended|sewed up} the pocket together.
@ end
- small holes should be mended before they grow
- it helps to go back step by step
- going slowly is sometimes the fastest way
- one must not give up too early

# Left behind | t:left
@ tell
- [h] never went to sleep without {[h.his] [t.noun]|[t]}.
- [h] and [t] {went everywhere together|were always together|had never been apart}.
- where [h] was, there {[t.was] [t] too|one could find [t] as well}.
@ run go
@ tell
- they had {such a good time|so much to see} that {the hours flew by|it was late before they knew it|evening came too soon}.
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
- [h] {hardly slept|slept badly|turned from side to side all night}. It {rained|was windy} outside.
- [m] lent [h] {a cushion|an old sock with a face|her own pillow|a warm shawl} for the night. It was {not the same|kind, but it was not the same}.
@ para
@ tell
- <next_day> they {hurried|ran|went straight} back [p.to].
- <next_day>, before {breakfast|the milk came|it was quite light}, they were on their way [p.to].
@ some 2
- they looked [p.spot2]. Only <odd_find>.
- [p.spot3] they found <odd_find>.
- "Maybe somebody took [t.it]," said [h] {in a small voice|and swallowed}.
@ tell
- then [h] stopped. [p.spot] sat [o], {and what was that next to [o.him]? It was|with} [t.full]!
- [o] was already waiting. "{Does this belong to you|I think this is yours}," said [o.he], and held out [t.full].
- there [t.it] [t.was], [p.spot], under {a big leaf|an old umbrella|a dry coat}. Somebody had covered [t.it] so that the rain {would not hurt|could not reach} [t.it]. It had been [o].
@ say o answer
- I found [t.it] {last night|in the rain}. {Somebody must be missing you, I thought.|I knew that you would come back.}
- Something so well loved {had to be kept dry|could not stay outside}. {So I kept watch.|I took it in.}
@ say h happy
- Thank you for {taking care of|watching over} [t.it]! {I will bring you a cake.|Next time I will count my things.}
- Oh, thank you! {I was so worried.|You are the kindest person I know.}
@ maybe 0.5
- <next_day> [h] brought [o] {a drawing|a jar of jam|flowers}, tied with a {red|blue} ribbon.
- since that day, [h] {says hello to|visits} [o] {every week|whenever [h.he] can}.
@ end
- there are more kind people than one thinks
- it is good to look back before leaving
- what you love, you must look after
- a kindness can be done without anyone seeing it

# Too many for one | f
@ let x
- plums / a whole basket of plums / juicy / basket
- cookies / a big tin of cookies / crunchy / tin
- strawberries / a bowl full of strawberries / sweet / bowl
- chestnuts / a sack of chestnuts / roasted / sack
- cherries / a bucket of cherries / dark red / bucket
- pancakes / a tower of pancakes / warm / plate
- nuts / a heap of nuts / crisp / heap
- pears / a crate of yellow pears / ripe / crate
@ tell
- <one_day> [m] {brought home|gave [h]} [x.2]. They were [x.3] and smelled {wonderful|good|of summer}.
- <one_day> [h] {won|found|was given} [x.2], all for [h.himself].
- [h] had [x.2]. It was {the best|more} than [h.he] had ever had{| in [h.his] life}.
@ tell
- [f], a [f.kind] who lived {nearby|next door|on the same path}, {came by|looked over the fence|sniffed the air}.
- <then> there was a knock. It was [f], the {new|hungry|friendly} [f.kind] from {next door|across the way}.
@ say f ask
- May I have {one|just one|a few}? {They smell so good.|I have had no breakfast.|Please?}
- What do you have there? {Could I try one?|Are those [x]?}
@ say h cross
- No! {They are mine.|I need them all.|There are not enough.}
- Sorry, {no|I can't}. {I counted them.|These are for me.}
- Get your own! {I found them first.|Go away.}
@ tell
- [f] {said nothing|lowered [f.his] head|nodded slowly} and {walked away|went home|left}.
- "Oh," said [f], and {went away|turned around|walked off} {without another word|very quietly}.
@ para
@ tell
- [h] {hid|sat} {behind a hedge|in a corner|under a table} and {ate and ate|began to eat}. {The first ones|Ten of them} were {delicious|wonderful}. The {next|last} ones were not.
- [h] took the [x.4] and {dragged it|carried it} up to {a quiet place|a hiding place}. It was so heavy that {[h.his] arms hurt|[h.he] had to stop every few steps}.
- [h] ate until [h.his] tummy was {as tight as a drum|round and sore}. There were still so many [x] left!
@ tell
- <soon> [h] had a {tummy ache|stomach ache} and no one to talk to.
- it was {very quiet|lonely} there. With nobody to share them, the [x] {tasted like nothing|were not so sweet}.
- outside, [f] was {playing|laughing} with the others, {and nobody called for [h]|and [h] was alone with the [x]}.
@ run aside
@ maybe 0.6
- "{What good are|Who needs} a hundred [x] if {there is no one to laugh with|you eat them alone}?" [h] {thought|asked [h.himself]}.
- <felt_sorry>.
@ tell
- <then> [h] picked up the [x.4] and {went to find|ran to} [f].
- <finally> [h] {stood up|made up [h.his] mind} and knocked at [f]'s door.
@ say h sad
- I am sorry, [f]. {I was greedy.|That was mean of me.} {Please have some.|Half of them are yours.}
- Would you still like some [x]? {I don't want to eat them alone.|I was not nice to you.}
@ tell
- [f] looked at the [x], then at [h], and {smiled|began to grin}. They sat down {side by side|on the step|in the sun} and {ate|shared} {every last one|them one by one: one for you, one for me}.
- "{Of course|I thought you would never ask}!" {said|laughed} [f]. They {made a pie|had a feast|called the others, too}, and {there was enough for all|nobody went home hungry}.
@ maybe 0.6
- "They taste better now," said [h]{, surprised|}. And it was true.
- the stones they planted in a row. "In {five|ten} years we will have {our own tree|a forest}," said [f].
@ end
- {sharing|to share} makes things taste better
- half with a friend is more than all alone
- greedy {hands|eyes} make a lonely table
- one can always say sorry and start again

# The broken thing | human
@ let v
- vase / glass / flowers all over the floor
- teapot / china / a lake of tea
- blue bowl / china / pieces like blue stars
- picture frame / glass / a crack from corner to corner
- clock / brass / wheels and springs everywhere
- lamp / glass / a great crash
- music box / wooden / one last sad note
- big jug / clay / milk under the chairs
@ tell
- in [m]'s {room|kitchen|hall} stood a [v] {of [v.2]|} that was {very old|a wedding present|older than anyone in the family}. {"Please do not play near it," [m] always said.|[h] was not allowed to touch it.}
- "You may {run|play} {anywhere|outside}, but not {near|around} the [v]," [m] {said|told [h]} every week.
@ tell
- <one_day> it was raining, and [h] was bored. [h.He] {slid on [h.his] socks|kicked a cushion|galloped around on a broom} {through the house|from room to room}.
- <one_day> [h] {chased the cat|danced|played knight} {through the house|in the hall}.
@ tell
- crash! There {was|were} [v.3].
- bump! The [v] {wobbled|tipped}, {once, twice|to the left, to the right}, and fell. There {was|were} [v.3].
@ tell
- <felt_scared>. Nobody had seen it.
- for a moment [h] {stood very still|could not move}. Only the {cat|rain} had {seen|heard} it.
@ para
@ tell
- [h] {swept|pushed} the pieces {under the rug|behind the sofa|into a box}{ and went to [h.his] room|}.
- [h] put the pieces {together|back} {as well as [h.he] could|with jam, because there was no glue}. They {fell apart again|would not hold}.
- quickly, [h] {closed the door|ran to [h.his] room} and {opened a book|pretended to sleep}.
@ say m ask
- What happened to the [v]?
- [h], do you know anything about {this|the [v]}?
- Has anyone {been in here|seen the [v]}?
@ say h whisper
- It was the {cat|wind}. {I think.|I saw it.}
- I don't know. {I was in my room.|I was reading.}
@ tell
- [m] {looked at the cat, who was asleep|said nothing|only nodded}. {The cat opened one eye.|That was worse than shouting.}
- [m] put the cat {outside|out in the rain}. Through the window it looked at [h] {with big eyes|and meowed}.
@ tell
- <felt_sorry>.
- at {supper|dinner}, [h] could not eat {one bite|a thing}. The lie sat in [h.his] {tummy|throat} like a stone.
@ run aside
@ tell
- <finally> [h] {took a deep breath|came downstairs|could not stand it any longer}.
@ say h sad
- It wasn't the {cat|wind}. It was me. {I broke it and I lied.|I am so sorry.}
- I broke the [v]. {I was afraid you would be angry.|I ran in the house.}
@ tell
- [m] was quiet for a {while|moment}. Then [m.he] {opened [m.his] arms|took [h] on [m.his] lap|sat down beside [h]}.
- [m] did not {shout|scold}. [m.He] {only|just} {nodded|sighed} and {held [h] close|took [h]'s hand}.
@ say m answer
- I am sad about the [v], but {I am glad that you told me|the truth is worth more|you were brave just now}.
- {Things|A [v]} can be mended. {Trust|A lie} is harder to {mend|fix}. Thank you for telling me.
@ tell
- together they glued it, piece by piece. One piece {was missing|was left over}, and {nobody knew why|that is still a riddle}.
- [h] {helped in the kitchen|washed the dishes} for a week, and {then they bought|with the money they found} {a new one|another one at the market}.
- now {three dry flowers stand|a plant grows} in what is left of it, and [h] {waters it|looks after it} every Sunday.
@ maybe 0.5
- the cat got {a whole fish|a bowl of cream} and {an apology|a long apology}.
@ end
- the truth is lighter to carry than a lie
- it takes courage to say what you did
- one lie soon wants another
- a mistake can be forgiven when it is owned up to

# A present with no money | f
@ tell
- <one_day> [h] {remembered|heard} that it was [f]'s birthday {tomorrow|in two days|on Sunday}.
- "Tomorrow is [f]'s birthday," said [m]. [f] was [h]'s {best|oldest|dearest} friend{, a [f.kind]|}.
@ tell
- [h] shook [h.his] {money box|piggy bank}. Out fell {one coin and a button|two pennies|nothing but dust}.
- in the shop there were {trains and dolls|wonderful things}, but [h] had only {one coin|two small coins}.
@ say h sad
- I have no money for a present. {What shall I do?|What can I give?}
- I can't buy anything at all! {Everyone else will bring something big.|It is hopeless.}
@ say m answer
- The best {presents|gifts} {are not bought|can't be bought}. {What does [f] like?|What are you good at?}
- {Think|Look around}. What would make [f] {smile|laugh}?
@ para
@ let g
- a crown of leaves / leaves / wear it like a king
- a boat made of bark / bark and string / sail it to the sea
- a bird house / old boards / wait for the first bird
- a lantern from a jar / a jar and thin paper / light it every night
- a book of drawings / paper and thread / read it to everyone
- a song with three verses / notes in [h.his] head / sing it every morning
- a cushion full of dried flowers / cloth and lavender / sleep on it
- a treasure map / an old paper bag / start digging at once
- a mobile of shells / shells and fishing line / hang it up
@ tell
- <thought>. {Then|After a while} [h.he] knew: [g]!
- <thought>. {What about|It would be} [g]?
@ tell
- [h.he] worked {all afternoon|until the candle was low|for two days} with [g.2].
- with [g.2], [h] {set to work|sat down at the table}. {It was not easy.|Twice it went wrong.|It took a long time.}
@ maybe 0.6
- the first one {fell apart|came out crooked}. The second was {better|worse}. The third was {just right|the one}.
- [h.he] {pricked|hurt} [h.his] finger {twice|three times} but did not {stop|complain}.
@ run aside
@ tell
- at the party there were {big boxes|boxes with shiny paper and bows}. [h]'s present was wrapped in {an old newspaper|a leaf|brown paper}.
- when [h] saw the other presents, so big and shiny, [h.he] {wanted to hide|hid [h.his] own behind [h.his] back}.
@ say h whisper
- It is only [g]. {I made it myself.|It's not much.}
- I had no money, so I made [g]. {You don't have to like it.|I hope that is all right.}
@ tell
- [f] {opened it|looked} and {was silent|said nothing at first}. Then [f.he] <hugged> [h].
- [f]'s eyes {grew round|lit up|began to shine}.
@ say f happy
- You made this for me? {It is the best of all!|Nobody else has one like it.} I will [g.3].
- It's {wonderful|perfect}! I will [g.3]!
@ tell
- the {big boxes|other toys} were soon {forgotten|put away}. But that present {stayed|was kept} for {years|a very long time}.
- {that evening|later}, everyone wanted to know how {it was done|to make one}, and [h] {showed them|had to explain it five times}.
@ run joy
@ end
- a gift made with love is {the best of all|worth more than gold}
- you don't need money to make somebody happy
- time is the nicest present
- what counts is the thought

# The wish | t:slips,left
@ let q
- everything [h.he] touched should turn to cake / the door turned to cake, and so did the spoon and the soap / [h.his] pillow turned to cake, too, and there were crumbs in [h.his] ears
- it should be summer for ever / the snow melted, and the sun did not go down any more / nobody could sleep, and the flowers hung their heads
- [h.he] should be as big as a house / [h.he] grew through the roof, like a tree / there was no bed big enough, and no friend could hear [h.him]
- nobody should ever say no to [h.him] / everyone said yes, all day long / nobody said what they really thought, and that was boring
- [h.he] should never have to sleep / [h.he] played all night long / the nights were long and dark, and there was nobody to play with
- all the toys in the world should be [h.hers] / toys came through the window, through the chimney and under the door / there was no room left to play
- [h.he] should be able to fly like a swallow / up [h.he] went, over the roofs / [h.he] could not get down again, and it was cold up there
- it should rain lemonade / down it came, yellow and sticky / everything stuck to everything, and the bees were everywhere
@ run go
@ tell
- there, [p.spot], [h] found [t.a]. {It was warm to the touch|It glowed a little}.
- [p.spot] something {glowed|hummed softly}. It was [t.full] {nobody had ever seen before|that nobody seemed to miss}.
@ tell
- when [h] {rubbed|picked up|shook} [t.it], a {tiny|thin|creaky} voice said, "You have one wish. {Think well|Choose with care}!"
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
- Perhaps {it must be put|you must put it} back where you found it, {and say thank you|and without looking back}.
@ tell
- so [h] carried [t] back and {laid|put} [t.it] down [p.spot], {just as before|where [t.it] had been}. {One, two, three|Whoosh}! Everything was {as it had been|normal again}.
- [h] {closed [h.his] eyes|held [t] tight} and said, "I wish for {nothing at all|everything to be as it was}." And when [h.he] {opened them again|looked up}, it was so.
@ tell
- never had plain {soup|bread and butter} tasted so {good|fine}.
- [m] was {in the kitchen|at the door}, {as always|and supper was ready}. It was the {best|nicest} {sight|evening} in the world.
@ end
- one should think before one wishes
- too much of a good thing is {no good thing|not good}
- ordinary days are precious
- not every wish is wise
"""
