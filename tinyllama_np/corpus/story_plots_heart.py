"""Plots of the embedded stories, second part: friends, quarrels, fears, promises and skills."""

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
- <one_day> [f] moved in {next door|nearby|on the other side of the road}. [f] was a [f.kind] who [n].
- there was somebody new [p.in]: [f], a [f.kind]. [f.He] [n].
@ tell
- nobody {played|talked} with [f]. {They did not know how.|"Too strange," the others said.|They were used to things as they were.}
- the others {whispered|looked away|kept to themselves}. [h] {saw|noticed} it {and thought about it all night|and did not like it}.
- at first [h] {was not sure|did not dare} to say hello.
@ run scene
@ maybe 0.6
- "How would you feel if you were new?" asked [m]. {[h] knew the answer.|[h] did not need to think for long.}
- [h] remembered {the time when [h.he] had been new|what it is like to be alone}.
@ para
@ tell
- so [h] {went|walked} over with {half an apple|two cups of water|a ball|a daisy|a pinecone} in [h.his] [h.hands].
- <next_day> [h] {sat down beside|went up to} [f].
@ say h say
- Hello, I am [h]. {Do you want to play?|Would you like to see something?|What's your name?}
- Hi! {This is for you.|May I sit here?|I like your [f.feet].}
@ tell
- [f] {looked up, then down again|did not answer|blinked}. {It was not easy.|But [h] did not go away.|But there was the start of a smile.}
- at first [f] {said nothing|only shook [f.his] head}. "{That's all right|Never mind}," said [h], and {stayed|sat down}.
@ run aside
@ tell
- {little by little|bit by bit|day by day}, they found a way: [n.2].
- and so it began, with [n.2].
- <then> [h] had an idea. They started [n.2]. {It worked!|That was fun!}
@ tell
- <soon> [f] began to [n.3], {and how|and both of them giggled}.
- {by the end of|after} the {day|week}, [f] could [n.3]. {[h] learned a lot, too.|And the others came closer to see.}
@ tell
- the others {heard them laugh|saw how much fun they had} and {came over|asked, "Can we play, too?"}
- one by one the others {joined in|came over}. {Soon there were ten of them.|There was room for all.}
@ say f happy
- You were the first who {talked to me|said hello}. {I will never forget it.|That was brave.}
- I thought {I would never have a friend|nobody liked me}. {Now I have you.|I was wrong!}
@ run joy
@ end
- a friend is often just one hello away
- everybody is new somewhere
- it is good to be different
- one kind word can change everything

# The quarrel | f t
@ tell
- [h] had a friend, a [f.kind] named [f]. They {did everything together|met every day|had been friends since they were babies}.
- [h] and [f] were {best friends|good friends}. {[f] was a [f.kind] and never in a hurry.|[f], a [f.kind], made the best jokes.}
@ tell
- <one_day> they found [t.a] [p.in].
- <one_day>, [p.in], both of them saw [t.a] {at the same time|in the same second}.
- <one_day> [o] gave them [t.a] for the two of them.
@ say h cross
- I saw [t.it] first! {It is mine!|Give it to me!}
- I want to [t.use] first! {I am older.|You always go first.}
@ say f cross
- No, I did! {Let go!|You are not fair!}
- You had [t.it] all morning! {That's not fair.|Now it is my turn.}
@ tell
- [h] pulled. [f] pulled. {Rip|Crack|Snap}! {Something broke|Now there were two halves|They both fell on their bottoms}.
- they pulled and {pushed|shouted} until {something went crack|[t] flew through the air and landed in the mud}.
- "I don't want to be your friend {any more|anymore}!" {shouted|cried} [h]. "{Good|Fine}!" {shouted|cried} [f].
@ para
@ tell
- each went home {alone|by a different way}. {The house was very quiet.|There was nobody to laugh with.}
- for {two days|three days|a whole week} they did not speak. {[h] played alone. It was boring.|When one came, the other looked away.}
- [h] {stamped|marched} home and slammed the door. But being angry {was hard work|got boring after an hour}.
@ tell
- <felt_sad>.
- at night [h] {thought of|missed} [f]'s {laugh|jokes|silly songs}.
@ run aside
@ say m ask
- What matters more, {[h]|my dear}, the [t.noun] or [f]?
- Do you still remember {why you are angry|what it was about}?
- Who is going to say it first? {Somebody must.|It could be you.}
@ tell
- [h] put on [h.his] {jacket|boots|cap} and {went|ran} to find [f]. Halfway there, [h.he] met... [f], who was {coming to see [h.him]|on the way to [h.him]}!
- <next_day> [h] {wrote|made} a {card|letter|picture} and {pushed|slid} it under [f]'s door. {The door opened at once.|A small voice said, "Wait!"}
- <finally> [h] {stood before|knocked at} [f]'s door.
@ say h sad
- I'm sorry. {I miss you.|I was selfish.|You are more important than any [t.noun].}
- I was wrong. {Can we be friends again?|Let's not fight.}
@ say f sad
- I'm sorry, too. {I was just as bad.|I missed you so much.}
- Me too. {It is no fun without you.|I wanted to say it first!}
@ tell
- they {mended|cleaned|fixed} [t.it] together. From then on [h] had [t.it] on {Mondays|even days} and [f] on {Tuesdays|odd days}, and on Sundays they [t.used] together.
- they made a rule: {one counts to twenty, then they swap|first one, then the other, and no shouting}. {It worked very well.|It was better with two, anyway.}
- and [t]? They {gave [t.it] to a little one who had none|hung [t.it] in a tree, for everybody|made something new out of [t.it]}.
@ end
- a friend is worth more than {any toy|any treasure}
- two can share when they take turns
- it is never too late to say sorry
- being right is not as nice as being friends

# The thing to be afraid of |
@ let a
- the dark / the lamp went out / the dark was soft, like a blanket, and full of stars / out in the dark
- deep water / the youngest duckling got tangled in weeds / the water carried [h.him] like a big hand / out in the water
- thunder / a small bird fell out of its nest in a storm / thunder was only the sky clearing its throat / out in the storm
- high places / a kitten cried on top of the ladder / from up there one could see the whole world / high up
- big dogs / a big dog howled with a thorn in its paw / the big dog licked [h.his] face and was as soft as a rug / behind the fence with the dog
- the cellar / [m] got locked in the cellar / the cellar was full of apples and had a friendly echo / down in the cellar
- the bridge / somebody called for help from the other side of the bridge / the bridge only swung a little, like a cradle / on the other side of the bridge
- strangers / an old man dropped all his oranges / most strangers smile when you smile / among the rolling oranges
- spiders / a tiny spider sat in the wash bowl and could not get out / the spider waved with one leg, or so it seemed / in the slippery bowl
@ tell
- but there was one thing that made [h.him] {shake|tremble}: [a].
- [h] was not afraid of {lions|ghosts|the dentist}. [h.He] was only afraid of [a].
- nobody knew it, but [h] was {terribly|very} afraid of [a].
@ maybe 0.5
- {the others laughed|[h.his] cousins laughed} about it{, and that made it worse|}.
- whenever [h.he] could, [h.he] {went the long way around|stayed away|thought of something else}.
- "Everyone is afraid of something," said [m]. "{I am afraid of {mice|geese|the barber}|It is all right}."
@ run go
@ tell
- <suddenly> [a.2].
- <suddenly> it happened: [a.2].
@ maybe 0.7
- "{Help|Please, help}!" {called|cried} a {small|thin|weak} voice.
- [h] looked around. {Nobody else was there.|No grown-up was near.} {It had to be [h].|What now?}
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
- [h.his] heart {beat like a drum|thumped}, but [h.his] [h.feet] {kept going|walked on by themselves}.
- [h.he] sang {quietly|a brave song} {all the while|through [h.his] teeth}.
- [h.he] thought of {[m]|warm soup|all who had ever been brave}.
@ tell
- and then it was {done|over}. There, [a.4], {everything was fine|all was well again}!
- it took {only a minute|longer than [h.he] thought}, but in the end {everyone was safe|help had come in time}, thanks to [h].
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

# I can't do it yet | f
@ let s
- whistle / whistled / only wet air came out / Make your lips small, like a kiss / a clear note rang out
- swim / swam / [h.he] sank like a stone / Lie on the water as if it were a bed / [h.he] floated
- tie a bow / tied a bow / it became a knot as big as a fist / Make two ears, like a hare / two neat loops sat there
- skate / skated / [h.he] sat down on the ice with a bump / Bend your knees / [h.he] glided along
- juggle / juggled / everything fell on [h.his] head / Start with one and look up / three balls danced in the air
- bake bread / baked bread / it came out flat and black / Give the dough time to rest / it rose like a cloud
- climb a rope / climbed the rope / [h.he] slid down and burned [h.his] [h.hands] / Use your feet, not only your arms / [h.he] touched the top
- write [h.his] name / wrote [h.his] name / the letters fell over each other / Draw each one like a little picture / there it stood, every letter in its place
- walk on stilts / walked on stilts / [h.he] fell into a bush / Look ahead, not down / [h.he] marched along, as tall as a stork
- play the violin / played the violin / it sounded like an angry goose / Let the bow be light / a sweet tune came out
- dive / dived / [h.he] landed flat on [h.his] tummy / Look at your toes and fall / [h.he] went in without a splash
- stand on one leg / stood on one leg / [h.he] tipped over / Look at one point and breathe / [h.he] stood like a heron
- cartwheel / did a cartwheel / [h.his] legs went the wrong way / Think of a wheel with four spokes / round [h.he] went
@ tell
- more than anything, [h] wanted to learn to [s].
- all the others could [s]. Only [h] could not.
- <one_day> [h] saw [f], a [f.kind], who [s.2] as if it were nothing. "I want to do that, too," said [h].
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
- It took me {a whole year|all winter}. {Nobody saw how often I fell.|I had a good teacher.} [s.4].
- {Shall I tell you a secret?|Do you want a tip?} [s.4].
@ maybe 0.6
- [h] tried it {slowly|that way}. It was {a little bit better|not good, but it was better}.
- "{Again|Once more}," said [f]. And {again|once more}. And again.
@ run aside
@ tell
- [h] {practiced|tried} every {morning|evening}, {before breakfast|in sun and rain|when nobody was looking}.
- so [h] practiced. On Monday {it went wrong|nothing worked}. On {Tuesday|Wednesday} it {almost|nearly} worked. On {Friday|Saturday} {[h.he] was too tired to try|it rained, and [h.he] tried anyway}.
- {days|weeks} went by. [h] {got bruises|made a thousand mistakes} and {learned from each|kept going}.
@ tell
- and then, {one fine day|all of a sudden|on an ordinary Tuesday}, [s.5]!
- <finally> the day came: [s.5]!
@ say h cry
- I did it! {Did you see that?|Look, everybody!|[f], I did it!}
- Look! {I can [s]!|It works!}
@ tell
- [f] was as proud as if [f.he] had done it [f.himself].
- that day [h] [s.2] {from morning till night|for everyone who wanted to see it, and for some who did not}.
- a little one {watched with big eyes|came up to [h]}. "I can't do that," {it|the little one} said. "Not yet," said [h], and smiled.
@ end
- practice makes hard things easy
- you can't do it yet is not the same as you can't
- every master once began
- falling down is a part of learning

# The promise | 
@ let k
- water the bean plants / the leaves were yellow and hung down / carried water until the plants stood up again / the garden
- feed the neighbor's fish / the fish swam slowly and looked thin / fed it, cleaned the bowl and changed the water / the fish bowl
- close the gate / the sheep stood in the cabbages / ran after each sheep until the last one was back / the gate
- look after the little ones / the smallest was nowhere to be seen / searched until the little one was found, asleep under a bush / the little ones
- watch the soup / black smoke came out of the pot / scrubbed the pot and cooked a new soup / the pot
- take the washing in before the rain / everything on the line was dripping / washed it all again and hung it up / the washing
- be home before dark / everybody was out with lamps and calling / said sorry to each one who had searched / the time
- collect the eggs / the fox had been there before / mended the hen house with nails and boards / the hens
- keep the fire going / the room was ice cold / chopped wood until there was a new fire / the fire
@ tell
- <one_day> [m] had to go away {for a day|for an hour|to the market}. "Will you [k]?" [m.he] asked.
- "I have a job for you," said [m] one {morning|day}. "Please [k]. {Can I count on you|It is important}?"
@ say h say
- I promise! {You can count on me.|I won't forget.}
- <yes>! {Nothing could be easier.|I promise.|You have my word.}
@ tell
- but then [p.sight], [p.in], and [h] {ran to see|went to have a look}.
- but [o] {came by|was there} and {had a new game|told such a good story} that [h] {stayed and stayed|forgot the time}.
- at first [h] meant to {do it|start} at once. But it was so {warm|sunny}, and {there was a puddle|a friend called|there was a tree to climb}...
@ maybe 0.6
- "{Just|Only} five minutes," [h] {thought|told [h.himself]}. The five minutes {turned into|became} {an hour|three hours|the whole afternoon}.
- "I can do that later," [h] thought.
@ para
@ tell
- <suddenly> [h] remembered [k.4]! [h.He] ran home {as fast as [h.he] could|out of breath}. But [k.2].
- when [h] came back, [k.2].
- [k.2] when [h] {thought of it at last|came home}. It was too late.
@ tell
- <felt_sorry>.
- <felt_sad>. A promise was a promise.
@ run aside
@ tell
- {for a moment|at first}, [h] wanted to {hide|make up a story}. {But no.|Then [h.he] shook [h.his] head.}
- should [h] say that {somebody else|the wind} had done it? No, [h.he] {could not|would not}.
@ say h sad
- I broke my promise. {I was playing.|I forgot.} {I am very sorry.|Let me make it good.}
- It is my fault, [m.call]. {I said I would do it and I didn't.|I only thought of myself.}
@ say m answer
- I {am sad|was counting on you}. {But it is good that you say so.|What will you do now?}
- Thank you for being honest. {Now, how can we mend it?|Saying sorry is the first step. What is the second?}
@ tell
- [h] did not need to be told. [h.He] [k.3].
- [h.he] {rolled up [h.his] sleeves|set to work} and [k.3]. {It took all evening.|It was dark before it was done.|[h.his] back hurt, but [h.he] did not stop.}
@ tell
- the next time [m] asked, [h] {did it first and played after|tied a {string|ribbon} around [h.his] finger so as not to forget}.
- a week later [m] had to go away again. "Will you [k]?" And this time [h] did{, right away|}.
@ maybe 0.6
- when [m] came home, {everything was fine|all was in order}. "I knew I could {trust|count on} you," [m.he] said.
@ end
- a promise is something to keep
- {work first, play later|first the job and then the fun} is a good rule
- trust is easy to lose and slow to grow
- one can make a mistake good again

# The show-off | f
@ let b
- run / race to the old windmill / stopped to wave at everybody and ran the wrong way / ran
- jump / jump over the brook / looked around to see who was watching and landed in the mud / jumped
- sing / singing contest / sang so loudly that [h.his] voice broke / sang
- swim / race across the pond / turned around to laugh and swam into the reeds / swam
- build / contest for the tallest tower / left out the bottom stones to be faster, and it all came down / built
- climb / climb up the big rock / took the steep way to impress everyone and got stuck / climbed
- dance / dance at the summer fair / spun so wildly that [h.he] got dizzy and fell into the flowers / danced
@ tell
- [h] could [b] {very well|better than most}, and [h.he] {told everybody|said so every day}.
- nobody could [b] like [h]. {At least, [h] said so.|At breakfast, at lunch and at supper, [h] talked about it.}
@ say h happy
- I am the {best|greatest}! {Nobody can beat me.|Not even the wind.|You are all so slow.}
- Did you see that? {I am amazing!|Who wants to lose against me?}
@ tell
- [f], a {quiet|small|round} [f.kind], {listened|said nothing}. [f.He] practiced {every evening|when nobody was looking}.
- "You are good, [h]," said [f], a {small|quiet} [f.kind]. "But others are good, too." [h] {only laughed|did not hear it}.
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
- {one, two, three, go|ready, steady, go}! [h] [b.4] {like never before|with [h.his] nose in the air}. But then [h.he] [b.3].
- at first [h] was {far ahead|the best by far}. But [h.he] [b.3].
@ tell
- [f] [b.4] {slowly and carefully|step by step|as [f.he] had practiced}. And [f] {won|came first}!
- {meanwhile|in the meantime}, [f] {just went on|did not look left or right}. Everyone {cheered|clapped}: [f] had won!
@ run aside
@ tell
- <felt_sad>. [h.He] had {mud|straw} in [h.his] {ears|hair} and nothing to say.
- now [h] {waited for|was sure of} one thing: they would all laugh. But [f] {came over|held out [f.his] [f.hands]}.
@ say f answer
- You are really good, [h]. {Will you show me your trick?|If you looked ahead, nobody could beat you.}
- Come and share the prize with me. {It was close.|It is too much for one.}
@ say h sad
- You won because you {practiced|were careful}. {I was only loud.|I just talked.} {Well done.|I am sorry that I laughed at you.}
- I was a show-off. {You are a good winner, [f].|Can we practice together?}
@ maybe 0.7
- from that day on they practiced together, and {both got better|sometimes one won, sometimes the other}.
- [h] still {boasts|brags} sometimes. Then [f] {coughs|points at the mud}, and they both {laugh|burst out laughing}.
@ end
- big words do not win a race
- those who boast the loudest stumble the soonest
- a good winner is kind
- it is better to do than to brag

# They forgot my birthday | f
@ tell
- <one_day> [h] woke up and {jumped out of bed|sat straight up}. It was [h.his] birthday! [h.He] was {four|five|six|seven}{ today|} at last.
- "{One more night|Only one more sleep}," [h] said to [h.himself], "and then it is my birthday."
@ tell
- but at breakfast nobody {said a word about it|sang}. [m] {only read the paper|just stirred the porridge}.
- [h] {ran to|looked at} [m]. [m] said, "Good morning, {brush your teeth|eat up|it is late}." That was all.
@ some 2
- [h] {met|saw} [f]. "{I have no time|I can't talk now}," said [f], and {hurried off with something under [f.his] arm|hid something behind [f.his] back}.
- [o], who always {stopped to chat|said hello}, {crossed the road|turned around quickly}.
- two {cousins|friends} were whispering. When [h] came, they {stopped|began to talk about the weather}.
- [f] had {flour|paint|glitter} on [f.his] nose. "It's nothing!" [f.he] said.
- the {kitchen|garden|barn} door was locked, and {strange noises came out|somebody giggled behind it}.
@ tell
- <felt_sad>.
- <felt_sad>. {They have all forgotten, [h.he] thought.|No one remembered.}
@ run aside
@ para
@ tell
- [h] {walked|wandered} [p.to] all alone. {[p.sight].|Nobody was there.}
- so [h] sat down [p.spot] and {sang the birthday song for [h.himself], very quietly|blew out a dandelion instead of candles}.
@ tell
- when it got {dark|late}, [h] {went|trotted} home. The windows were dark. {How odd!|Had they all gone away?}
- <soon> [f] came running. "{Come quickly|You have to come}! {Something is wrong at your house|We need your help}!"
@ tell
- [h] {opened|pushed} the door... "Surprise!" {Everyone was there|Twenty voices shouted it at once}.
- <suddenly> the lights went on. "Surprise!" {shouted everyone|they all cried}. {Lanterns hung from the ceiling.|There was a cake as big as a wheel.}
@ say h happy
- So that is why {you were all so strange|nobody talked to me}! {I thought you had forgotten.|And I was so sad!}
- You remembered! {All of you!|I can't believe it!}
@ say f happy
- Forget you? {Never!|We baked for two days!} {Keeping it secret was the hardest part.|I nearly told you this morning.}
- We would never forget you. {Blow out the candles!|Make a wish!}
@ tell
- they {played|sang|danced} until {the candles were low|the moon was up|the smallest fell asleep under the table}.
- there was <snack>, and then <snack>, and a {present|parcel} with [h]'s name on it.
@ maybe 0.5
- in the {parcel|box} was {a little brass compass|a kite|a pair of red boots|a book of knots}. But the best present was {that they were all there|the noise they all made}.
@ end
- friends do not forget
- things are not always what they seem
- one should not be sad too soon
- a secret can be a kind one
"""
