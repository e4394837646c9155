"""Plots of the embedded stories: what is shared, broken, given and promised.

The marks are explained in `story_script`.
"""

from __future__ import annotations

SCRIPT = """
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
- <one_day> [m] {brought home|gave [h]} [x.2]. They were [x.3] and smelled {wonderful|good|of
  summer}.
- <one_day> [h] {won|found|was given} [x.2], all for [h.himself].
- [h] had [x.2]. It was {better|more} than [h.he] had ever had{| in [h.his] life}.
@ tell
- [f], a [f.kind] who lived {nearby|next door|on the same path}, {came by|looked over the
  fence|sniffed the air}.
- <then> there was a knock. It was [f], the {new|hungry|friendly} [f.kind] from {next
  door|across the way}.
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
- [h] {hid|sat} {behind a hedge|in a corner|under a table} and {ate and ate|began to eat}. {The
  first ones|Ten of them} were {delicious|wonderful}. The {next|last} ones were not.
- [h] took the [x.4] and {dragged it|carried it} up to {a quiet place|a hiding place}. It was so
  heavy that {[h.his] arms hurt|[h.he] had to stop every few steps}.
- [h] ate until [h.his] tummy was {as tight as a drum|round and sore}. There were still so many
  [x] left!
@ tell
- <soon> [h] had a {tummy ache|stomach ache} and no one to talk to.
- it was {very quiet|lonely} there. With nobody to share them, the [x] {tasted like nothing|were
  not so sweet}.
- outside, [f] was {playing|laughing} with the others, {and nobody called for [h]|and [h] was
  alone with the [x]}.
@ run aside
@ maybe 0.6
- "{What good are|Who needs} a hundred [x] if {there is no one to laugh with|you eat them
  alone}?" [h] {thought|asked [h.himself]}.
- <felt_sorry>.
@ tell
- <then> [h] picked up the [x.4] and {went to find|ran to} [f].
- <finally> [h] {stood up|made up [h.his] mind} and knocked at [f]'s door.
@ say h sad
- I am sorry, [f]. {I was greedy.|That was mean of me.} {Please have some.|Half of them are
  yours.}
- Would you still like some [x]? {I don't want to eat them alone.|I was not nice to you.}
@ tell
- [f] looked at the [x], then at [h], and {smiled|began to grin}. They sat down {side by side|on
  the step|in the sun} and {ate|shared} {every last one|them one by one: one for you, one for
  me}.
- "{Of course|I thought you would never ask}!" {said|laughed} [f]. They {made a pie|had a
  feast|called the others, too}, and {there was enough for all|nobody went home hungry}.
@ maybe 0.6
- "They taste better now," said [h]{, surprised|}. And it was true.
- the stones they planted in a row. "In {five|ten} years we will have {our own tree|a forest},"
  said [f].
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
- lamp / glass / splinters as thin as needles
- music box / wood / one last sad note
- big jug / clay / milk under the chairs
@ tell
- in [m]'s {room|kitchen|hall} stood a [v] {of [v.2]|} that was {very old|a wedding
  present|older than anyone in the family}. {"Please do not play near it," [m] always said.|[h]
  was not allowed to touch it.}
- "You may {run|play} {anywhere|outside}, but not {near|around} the [v]," [m] {said|told [h]}
  every week.
@ tell
- <one_day> it was raining, and [h] was bored. [h.He] {slid on [h.his] socks|kicked a
  cushion|galloped around on a broom} {through the house|from room to room}.
- <one_day> [h] {chased the cat|danced|played knight} {through the house|in the hall}.
@ tell
- {crash|crack|clatter}! ^[v.3].
- bump! The [v] {wobbled|tipped}, {once, twice|to the left, to the right}, and fell. ^[v.3]!
@ tell
- <felt_scared>. Nobody had seen it.
- for a moment [h] {stood very still|could not move}. Only the {cat|rain} had {seen|heard} it.
@ para
@ tell
- [h] {swept|pushed} the pieces {under the rug|behind the sofa|into a box}{ and went to [h.his]
  room|}.
- [h] put the pieces {together|back} {as well as [h.he] could|with jam, because there was no
  glue}. They {fell apart again|would not hold}.
- quickly, [h] {closed the door|ran to [h.his] room} and {opened a book|pretended to sleep}.
@ say m ask
- What happened to the [v]?
- [h], do you know anything about {this|the [v]}?
- Has anyone {been in here|seen the [v]}?
@ say h whisper
- It was the {cat|wind}. {I think.|I saw it.}
- I don't know. {I was in my room.|I was reading.}
@ tell
- [m] {looked at the cat, who was asleep|said nothing|only nodded}. {The cat opened one
  eye.|That was worse than shouting.}
- [m] put the cat {outside|out in the rain}. Through the window it looked at [h] {with big
  eyes|and meowed}.
@ tell
- <felt_sorry>.
- at {supper|dinner}, [h] could not eat {one bite|a thing}. The lie sat in [h.his]
  {tummy|throat} like a stone.
@ run aside
@ tell
- <finally> [h] {took a deep breath|came downstairs|could not stand it any longer}.
@ say h sad
- It wasn't the {cat|wind}. It was me. {I broke it and I lied.|I am so sorry.}
- I broke the [v]. {I was afraid you would be angry.|I ran in the house.}
@ tell
- [m] was quiet for a {while|moment}. Then [m.he] {opened [m.his] arms|took [h] on [m.his]
  lap|sat down beside [h]}.
- [m] did not {shout|scold}. [m.He] {only|just} {nodded|sighed} and {held [h] close|took [h]'s
  hand}.
@ say m answer
- I am sad about the [v], but {I am glad that you told me|the truth is worth more|you were brave
  just now}.
- {Things|A [v]} can be mended. {Trust|A lie} is harder to {mend|fix}. Thank you for telling me.
@ tell
- together they glued it, piece by piece. One piece {was missing|was left over}, and {nobody
  knew why|that is still a riddle}.
- [h] {helped in the kitchen|washed the dishes} for a week, and {then they bought|with the money
  they found} {a new one|another one at the market}.
- now {three dry flowers stand|a plant grows} in what is left of it, and [h] {waters it|looks
  after it} every Sunday.
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
- "Tomorrow is [f]'s birthday," said [m]. [f] was [h]'s {best|oldest|dearest} friend{, a
  [f.kind]|}.
@ tell
- [h] shook [h.his] {money box|piggy bank}. Out fell {one coin and a button|two pennies|nothing
  but dust}.
- in the shop there were {trains and dolls|wonderful things}, but [h] had only {one coin|two
  small coins}.
@ say h sad
- I have no money for a present. {What shall I do?|What can I give?}
- I can't buy anything at all! {Everyone else will bring something big.|It is hopeless.}
@ say m answer
- The best {presents|gifts} {are not bought|can't be bought}. {What does [f] like?|What are you
  good at?}
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
- with [g.2], [h] {set to work|sat down at the table}. {It was not easy.|Twice it went wrong.|It
  took a long time.}
@ maybe 0.6
- the first one {fell apart|came out crooked}. The second was {better|worse}. The third was
  {just right|the one}.
- [h.he] {pricked|hurt} [h.his] finger {twice|three times} but did not {stop|complain}.
@ run aside
@ tell
- at the party there were {big boxes|boxes with shiny paper and bows}. [h]'s present was wrapped
  in {an old newspaper|a leaf|brown paper}.
- when [h] saw the other presents, so big and shiny, [h.he] {wanted to hide|hid [h.his] own
  behind [h.his] back}.
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
- the {big boxes|other toys} were soon {forgotten|put away}. But that present {stayed|was kept}
  for {years|a very long time}.
- {that evening|later}, everyone wanted to know how {it was done|to make one}, and [h] {showed
  them|had to explain it five times}.
@ run joy
@ end
- a gift made with love is {the best of all|worth more than gold}
- you don't need money to make somebody happy
- time is the nicest present
- what counts is the thought

# The promise |
@ let k
- water the bean plants / the leaves were yellow and hung down / carried water until the plants
  stood up again / the garden
- feed the neighbor's fish / the fish swam slowly and looked thin / fed it, cleaned the bowl and
  changed the water / the fish bowl
- close the gate / the sheep stood in the cabbages / ran after each sheep until the last one was
  back / the gate
- look after the little ones / the smallest was nowhere to be seen / searched until the little
  one was found, asleep under a bush / the little ones
- watch the soup / black smoke came out of the pot / scrubbed the pot and cooked a new soup /
  the pot
- take the washing in before the rain / everything on the line was dripping / washed it all
  again and hung it up / the washing
- be home before dark / everybody was out with lamps and calling / said sorry to each one who
  had searched / the time
- collect the eggs / the fox had been there before / mended the hen house with nails and boards
  / the hens
- keep the fire going / the room was ice cold / chopped wood until there was a new fire / the
  fire
@ tell
- <one_day> [m] had to go away {for a day|for an hour|to the market}. "Will you [k]?" [m.he]
  asked.
- "I have a job for you," said [m] one {morning|day}. "Please [k]. {Can I count on you?|It is
  important.}"
@ say h say
- I promise! {You can count on me.|I won't forget.}
- <yes>! {Nothing could be easier.|I promise.|You have my word.}
@ tell
- but then [p.sight], [p.in], and [h] {ran to see|went to have a look}.
- but [o] {came by|was there} and {had a new game|told such a good story} that [h] {stayed and
  stayed|forgot the time}.
- at first [h] meant to {do it|start} at once. But it was so {warm|sunny}, and {there was a
  puddle|a friend called|there was a tree to climb}...
@ maybe 0.6
- "{Just|Only} five minutes," [h] {thought|told [h.himself]}. The five minutes {turned
  into|became} {an hour|three hours|the whole afternoon}.
- "I can do that later," [h] thought.
@ para
@ tell
- <suddenly> [h] remembered [k.4]! [h.He] ran home {as fast as [h.he] could|out of breath}. But
  [k.2].
- when [h] came back, [k.2].
- [k.2] when [h] {thought of it at last|came home}. It was too late.
@ tell
- <felt_sorry>.
- <felt_sad>. A promise was a promise.
@ run aside
@ tell
- {for a moment|at first}, [h] wanted to {hide|make up a story}. {But no.|Then [h.he] shook
  [h.his] head.}
- should [h] say that {somebody else|the wind} had done it? No, [h.he] {could not|would not}.
@ say h sad
- I broke my promise. {I was playing.|I forgot.} {I am very sorry.|Let me make it good.}
- It is my fault, [m.call]. {I said I would do it and I didn't.|I only thought of myself.}
@ say m answer
- I {am sad|was counting on you}. {But it is good that you say so.|What will you do now?}
- Thank you for being honest. {Now, how can we mend it?|Saying sorry is the first step. What is
  the second?}
@ tell
- [h] did not need to be told. [h.He] [k.3].
- [h.he] {rolled up [h.his] sleeves|set to work} and [k.3]. {It took all evening.|It was dark
  before it was done.|[h.his] back hurt, but [h.he] did not stop.}
@ tell
- the next time [m] asked, [h] {did it first and played after|tied a {string|ribbon} around
  [h.his] finger so as not to forget}.
- a week later [m] had to go away again. "Will you [k]?" And this time [h] did{, right away|}.
@ maybe 0.6
- when [m] came home, {everything was fine|all was in order}. "I knew I could {trust|count on}
  you," [m.he] said.
@ end
- a promise is something to keep
- {work first, play later|first the job and then the fun} is a good rule
- trust is easy to lose and slow to grow
- one can make a mistake good again

# They forgot my birthday | f out
@ tell
- <one_day> [h] woke up and {jumped out of bed|sat straight up}. It was [h.his] birthday! [h.He]
  was {four|five|six|seven}{ today|} at last.
- "{One more night|Only one more sleep}," [h] said to [h.himself], "and then it is my birthday."
@ tell
- but at breakfast nobody {said a word about it|sang}. [m] {only read the paper|just stirred the
  porridge}.
- [h] {ran to|looked at} [m]. [m] said, "Good morning, {brush your teeth|eat up|it is late}."
  That was all.
@ some 2
- [h] {met|saw} [f]. "{I have no time|I can't talk now}," said [f], and {hurried off with
  something under [f.his] arm|hid something behind [f.his] back}.
- [o], who always {stopped to chat|said hello}, {crossed the road|turned around quickly}.
- two {cousins|friends} were whispering. When [h] came, they {stopped|began to talk about the
  weather}.
- [f] had {flour|paint|glitter} on [f.his] nose. "It's nothing!" [f.he] said.
- the {kitchen|garden|barn} door was locked, and {strange noises came out|somebody giggled
  behind it}.
@ tell
- <felt_sad>.
- <felt_sad>. {They have all forgotten, [h.he] thought.|No one remembered.}
@ run aside
@ para
@ tell
- [h] {walked|wandered} [p.to] all alone. {[p.sight].|Nobody was there.}
- so [h] sat down [p.spot] and {sang the birthday song for [h.himself], very quietly|blew out a
  dandelion instead of candles}.
@ tell
- when it got {dark|late}, [h] {went|trotted} home. The windows were dark. {How odd!|Had they
  all gone away?}
- <soon> [f] came running. "{Come quickly|You have to come}! {Something is wrong at your
  house|We need your help}!"
@ tell
- [h] {opened|pushed} the door... "Surprise!" {Everyone was there|Twenty voices shouted it at
  once}.
- <suddenly> the lights went on. "Surprise!" {shouted everyone|they all cried}. {Lanterns hung
  from the ceiling.|There was a cake as big as a wheel.}
@ say h happy
- So that is why {you were all so strange|nobody talked to me}! {I thought you had
  forgotten.|And I was so sad!}
- You remembered! {All of you!|I can't believe it!}
@ say f happy
- Forget you? {Never!|We baked for two days!} {Keeping it secret was the hardest part.|I nearly
  told you this morning.}
- We would never forget you. {Blow out the candles!|Make a wish!}
@ tell
- they {played|sang|danced} until {the candles were low|the moon was up|the smallest fell asleep
  under the table}.
- they had <snack>, and then <snack>, and there was a {present|parcel} with [h]'s name on it.
@ maybe 0.5
- in the {parcel|box} was {a little brass compass|a kite|a pair of red boots|a book of knots}.
  But the best present was {that they were all there|the noise they all made}.
@ end
- friends do not forget
- things are not always what they seem
- one should not be sad too soon
- a secret can be a kind one
"""
