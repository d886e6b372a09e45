# What Accord says to people, in English. Another language is another file beside this one, such as
# de.ftl; what a file lacks is said in English. A host changes a language or adds one by a file in the
# folder `wording` of the data folder.
#
# The format is Project Fluent's (projectfluent.org). Text may use Discord's markdown, except on
# buttons, in selects, forms, footers and charts. Times, people and links come ready made.

# The language of this file, as Discord writes it (de, pt-BR): it decides about plural forms, and which
# members read it.
language = en
# What the language calls itself.
language-name = English

## Shared words

# Also with signs before it: +0.125.
decimal = { $whole }.{ $decimals }
person-erased = somebody whose data was erased
person-accord = Accord
agreement-1 = 1 · strongly disagree
agreement-2 = 2 · disagree
agreement-3 = 3 · rather disagree
agreement-4 = 4 · neither agree nor disagree
agreement-5 = 5 · rather agree
agreement-6 = 6 · agree
agreement-7 = 7 · strongly agree
quality-1 = 1 · very poor
quality-2 = 2 · poor
quality-3 = 3 · rather poor
quality-4 = 4 · fair
quality-5 = 5 · rather good
quality-6 = 6 · good
quality-7 = 7 · very good
# After "chosen by" and "ranked by".
welfare-utilitarian = the mean rating (utilitarian)
welfare-nash = the geometric mean of the ratings (Bernoulli-Nash)
welfare-rawlsian = the lowest rating (Rawlsian)
welfare-alpha = the welfare of the ratings with an inequality aversion of { $alpha }
welfare-schulze = comparing each with each other (Schulze)
# Also in charts: no markdown.
spread =
    { $agree ->
        [one] { $agree } agrees
       *[other] { $agree } agree
    }, { $neutral } neutral, { $dissent ->
        [one] { $dissent } dissents
       *[other] { $dissent } dissent
    }

## Buttons

button-opinion = Write my opinion
button-change-opinion = Change my opinion
button-join-late = Join late
button-opinions-closed = Opinions are closed
button-withdraw = Withdraw it
button-late = Join late with this text
button-handback = Get my opinion back
button-rate = Rate in private
button-back = Back
button-next = Next
button-critique = Say what you would change
button-report = Report
button-status = Where does it stand?
button-review = Look at the candidates
button-withhold = Withhold it
button-withhold-not = Post it after all
button-withhold-without = Withhold it and draft anew without its sources
button-post =
    { $posted ->
        [one] Post { $posted } candidate
       *[other] Post { $posted } candidates
    }
button-redraft = Draft anew
button-keep = Keep it
button-remove = Withdraw it
button-remove-without = Withdraw it and draft anew without its sources
button-sure = Draft anew
button-why = How was this chosen?
button-mine = What became of my opinion?
button-see-result = See the result
button-see-card = See the card
button-extend = Extend
button-end = End the round
button-retrain = Retrain it
button-not-now = Not now
button-cancel-retraining = Cancel it
button-agree = I agree
button-rather-not = I would rather not

## Where a round stands

opinions-of-minimum = **{ $opinions } of { $minimum } opinions**
opinions =
    { $opinions ->
        [one] **{ $opinions } opinion**
       *[other] **{ $opinions } opinions**
    }
state-opinions-close = Opinions close { $when }.
state-extended = Too few had written at the first deadline, so it was extended once.
state-too-few = The time is over, and more opinions are needed. An organiser decides whether to go on. You can still write yours.
state-drafting =
    { $opinions ->
        [one] A language model is writing candidates from { $opinions } opinion.
       *[other] A language model is writing candidates from { $opinions } opinions.
    }
state-redrafting =
    { $opinions ->
        [one] A language model is writing candidates anew from { $opinions } opinion.
       *[other] A language model is writing candidates anew from { $opinions } opinions.
    }
state-revising = A language model is revising the statement with what the group would change.
state-drafts = { $drafted } of { $wanted } drafts are ready.
state-queue =
    { $before ->
        [one] { $before } other round is before this one.
       *[other] { $before } other rounds are before this one.
    }
state-drafting-failed =
    { $failures ->
        [one] It did not work yet. It is tried again { $when }. No opinion is lost.
       *[other] It did not work { $failures } times. It is tried again { $when }. No opinion is lost.
    }
state-too-slow = The language model did not answer in time.
state-review = The candidates are written. An organiser looks at them before they are posted.
state-posting = The candidates are being posted.
state-rating-closes = Rate the candidates until { $when }.
state-rated =
    { $participants ->
        [one] { $rated } of { $participants } participant has rated all of them.
       *[other] { $rated } of { $participants } participants have rated all of them.
    }
state-revision-follows = If somebody who rates low says what to change, the statement is revised.
state-concluded = The round ended on { $when }.
state-cancelled = The round ended on { $when }, without a result.
outcome-consensus = **Consensus.** Most of those who rated agree with the statement.
outcome-contested = **Contested.** Many of those who rated agree with the statement, too few for a consensus.
outcome-none = **No statement found enough agreement.**
outcome-unrated = **Unrated.** Too few participants rated to tell whether they agree.
cancelled-by-organiser = An organiser ended it.
cancelled-too-few = Too few wrote an opinion.
cancelled-place-gone = Its channel or thread is gone.
cancelled-no-candidate = No candidate is left that could be rated.
cancelled-stalled = For { $days } days candidates could not be drafted or posted, or nobody reviewed them.
# In lists.
phase-opinions = opinions close { $when }
phase-too-few = too few opinions
phase-drafting = candidates are being written
phase-review = candidates are being looked at
phase-rating = rating closes { $when }
phase-consensus = consensus
phase-contested = contested
phase-none = no statement found enough agreement
phase-unrated = too few ratings
phase-cancelled = ended without a result

## The card

card-title = **Round { $round }**
card-title-notify = { $role } **Round { $round }** is open. What do you think?
card-state = Where it stands
card-thread = More in { $thread }.
card-terms = How it works
terms-opened = Opened by { $who } on { $when }.
terms-steps =
    { $posted ->
        [one] You write what you think. A language model writes candidates for a statement that the group can agree on, and { $posted } is posted.
       *[other] You write what you think. A language model writes candidates for a statement that the group can agree on, and up to { $posted } are posted.
    }
terms-reactions = You rate them from 1 to 7, by reaction or in private.
terms-private = You rate them from 1 to 7 in private.
terms-welfare = The statement is chosen by { $rule }.
terms-revisions =
    { $revisions ->
        [one] It can be revised once with what those who disagree would change.
       *[other] It can be revised { $revisions } times with what those who disagree would change.
    }
terms-review = Organisers look at the candidates before they are posted, and can withhold one. They do not see who wrote what.
terms-experiment = **This is an experiment:** the candidates are written in different ways. Which is which is shown when the round is over.
terms-real-ratings-only = **The models are not tested in the language of the question.** So your ratings alone decide; what the models predict does not count.
card-privacy = What happens with your opinion
privacy-use = It is used without your name, to write and rank drafts. What you write may shine through in them, so leave out what would give you away.
privacy-readers = Members and moderators cannot read it. Whoever hosts the bot technically can.
privacy-local = The models run on the bot's own machine.
privacy-endpoint = It is sent to the models at { $host }.
privacy-kept =
    { $days ->
        [0] It is deleted as soon as there is a result.
        [one] It is deleted one day after the result.
       *[other] It is deleted { $days } days after the result.
    }
privacy-reactions = Everybody can see who reacts with which rating. You can rate in private instead.
privacy-private = Nobody here sees how you rate.
privacy-training = The opinions and ratings of members who agree train the models; everybody is asked in private. What those wrote is kept longer.
privacy-but-training = Opinions of members who agreed to training are kept for it.
privacy-deleted-at = Opinions are deleted { $when }.
privacy-deleted = Opinions have been deleted.

## Announcements

too-few = **Round { $round }** has too few opinions, also after its extension.
too-few-choice = An organiser decides: extend it again, or end it. If it ends, everybody gets their opinion back.
too-few-decided = Round { $round } waited here for more opinions. It no longer does.
review-notice = **The candidates of round { $round } are written.** An organiser looks at them before they are posted, and does not see who wrote what.
review-notice-posted = Organisers have looked at these candidates, and they were posted.
review-notice-unposted = Candidates were looked at here, and not posted.
candidate-was-withdrawn = An organiser withdrew this candidate. It can no longer be rated.
candidate-footer = Written by a language model
candidate-footer-closed = Written by a language model · Rating is closed
rating-open = **Rating is open.** Rate the candidates above until { $when }.
rating-open-notify = { $role } **Rating is open.** Rate the candidates above until { $when }.
rating-open-revised = **The statement was revised.** Rate the candidates above until { $when }.
rating-open-anew = **Candidates were drafted anew.** Rate the candidates above until { $when }. What you rated before stays.
rating-how-reactions = React under each one with 1️⃣ (strongly disagree) to 7️⃣ (strongly agree). The last digit that you set counts, and everybody can see who set it.
rating-how-instead = Would you rather not rate in public? Use the button. There you can also say how well a candidate is written.
rating-how-private = Use the button. Nobody here sees how you rate, and results stay hidden until rating closes.
rating-who-counts = Ratings count if you are a participant, that is, if you gave an opinion. A reaction alone does not make you one. You can still join with the button on the card.
rating-closes-when-all = Rating closes earlier once every participant has rated every candidate.
rating-closed = Rating is closed.
closing-early = **Rating closes early,** { $when }. Until then you can rate and change your ratings.
closing-early-no-more = **Rating closes later than was announced here:** { $when }.
cancelled-title = **Round { $round } ended without a result**
cancelled-handback = With the button you get your opinion back, in private. Opinions are deleted { $when }.

## The result

result-consensus = **Round { $round }: consensus.** Most of those who rated agree with this statement.
result-contested = **Round { $round }: contested.** The group is divided over this statement, which came first.
result-none = **Round { $round }: no statement found enough agreement; the closest was this one.**
result-unrated = **Round { $round }: too few rated to tell.** This statement ranks first, mostly by predictions.
result-few-rated = **Round { $round }: too few rated to tell.** This statement ranks first by those few ratings.
result-rated =
    { $participants ->
        [one] { $rated } of { $participants } participant rated it: { $spread }.
       *[other] { $rated } of { $participants } participants rated it: { $spread }.
    }
result-nobody-rated =
    { $participants ->
        [one] The { $participants } participant did not rate it.
       *[other] None of the { $participants } participants rated it.
    }
result-written-by-model = A language model wrote it from the group's opinions. It speaks for the group only as far as these numbers show.
result-practically-equal = It is close: these two are practically equal. { $letter } comes first, which ratings that are missing could change.
# How sure the choice is; also under "How was this chosen?". Numbers only where they have proved right.
certainty-clear = The choice is clear: ratings that are only predicted would hardly change it.
certainty-close = The choice is close: ratings that are only predicted could change it.
certainty-best = With a probability of { $share } % the chosen one is the best of these candidates, as far as ratings are only predicted.
certainty-welfare = With { $level } % its welfare is between { $low } and { $high }.
result-notes = About this result
result-predicted = Where a participant did not rate, a prediction was used to rank the candidates. Predictions are never counted as people.
result-real-ratings-only = Your ratings alone ranked the candidates: the models are not tested in the language of the question. A rating that is missing counted as the same person's others, and changes nothing where somebody rated none.
result-real-ratings-differ = By real ratings alone { $letter } would have been chosen: { $statement }
result-subsets = Each draft read { $read } of { $opinions } opinions.
result-late =
    { $late ->
        [one] { $late } participant joined late. No draft read that opinion.
       *[other] { $late } participants joined late. No draft read their opinions.
    }
result-left-out =
    { $opinions ->
        [one] { $opinions } opinion was not read any more when candidates were drafted anew. It counts in the ranking.
       *[other] { $opinions } opinions were not read any more when candidates were drafted anew. They count in the ranking.
    }
result-others =
    { $people ->
        [one] { $people } member without an opinion rated it too, which does not count: { $spread }.
       *[other] { $people } members without an opinion rated it too, which does not count: { $spread }.
    }
result-revised =
    { $critiques ->
        [one] It is a revision, written with what { $critiques } participant would change.
       *[other] It is a revision, written with what { $critiques } participants would change.
    }
answer-heading = The organisers' answer
answer-adopted = **Adopted** ({ $who }, { $when })
answer-partly = **Partly adopted** ({ $who }, { $when })
answer-rejected = **Rejected** ({ $who }, { $when })
log-heading = What organisers did
log-opened = { $who } opened the round
log-extended = { $who } moved the deadline to { $when }
log-closed-early = { $who } closed a phase early
log-cancelled = { $who } ended the round
log-answered = { $who } answered the result
log-candidate-withdrawn = a candidate's message was deleted, and the candidate withdrawn
log-retried = { $who } had the drafting tried again
log-withheld = { $who } withheld a candidate
log-reviewed = { $who } looked at the candidates and had them posted
log-kept = { $who } looked at a reported candidate and kept it
log-withdrawn = { $who } withdrew a candidate
log-redrafted = { $who } had candidates drafted anew
log-redrafted-without =
    { $opinions ->
        [one] { $who } took a candidate out and had others drafted without the { $opinions } opinion that it was written from
       *[other] { $who } took a candidate out and had others drafted without the { $opinions } opinions that it was written from
    }

## The chart
# No markdown here; short.

chart-agree = agree (5–7)
chart-neutral = neutral (4)
chart-dissent = dissent (1–3)
chart-rated = rated by a participant
chart-predicted = only predicted
chart-participants = Participants
chart-ratings = Their ratings
chart-welfare = Welfare
chart-chosen = chosen
chart-note = { $rated } of { $participants } rated
chart-told =
    { $chosen ->
        [yes] { $letter }, the chosen candidate
       *[no] { $letter }
    }: { $spread }; { $predicted ->
        [0] welfare { $welfare }.
       *[other] for { $predicted } more it is only predicted; welfare { $welfare }.
    }

## How was this chosen?

no-result-yet = The round has no result yet.
why-title = **How the statement of round { $round } was chosen**
why-drafts = { $drafts } candidates were written, and { $posted } were posted.
why-rule = They are ranked by { $rule }: over real ratings where there are any, over predicted ones where not.
why-rule-real-ratings-only = They are ranked by { $rule }, over real ratings alone.
why-real-ratings = By real ratings alone { $letter } comes first.
why-models = Generator: { $generator }. Reward model: { $rewardmodel }.
why-chosen = { $letter } · chosen
why-candidate = { $letter }
# How a candidate of an experiment came about; after each the name of its arm.
why-arm-accord = Chosen from many drafts of the generator, as in other rounds (accord).
why-arm-sft = One draft of the generator, not chosen from others (sft).
why-arm-zero-shot = One draft of the model before it was trained (zero-shot).
why-welfare = Welfare: utilitarian { $utilitarian }, nash { $nash }, rawlsian { $rawlsian }, schulze { $schulze } of { $others }
why-rated = { $rated } of { $participants } rated it: { $real } on average.
why-rated-and-predicted = { $rated } of { $participants } rated it: { $real } on average. Predicted for the same people: { $predicted }.
why-not-rated = No participant rated it. All is predicted.
why-not-rated-at-all = No participant rated it.
why-scale = Welfare from 1 to 7: utilitarian is the mean rating, nash the geometric mean, rawlsian the lowest. Schulze counts the others that do not beat it.

## The report
# A page for the browser, by /round export and `accord report`: no markdown, no times of Discord's.

page-when = { $year }-{ $month }-{ $day }, { $hour }:{ $minute } UTC
page-question = Question of round { $round }
# The organisers' answer.
page-adopted = Adopted
page-partly = Partly adopted
page-rejected = Rejected
# Also what the chart is called for those who cannot see it.
page-candidates = The candidates and their ratings
# A table of how often each rating from 1 to 7 was given, for each candidate.
page-times-rated = How often each rating of { $letter } was given
page-rating = Rating
page-rated = by participants
page-predicted = only predicted
page-others = by others, which does not count
# A table of what each candidate is worth, one row a welfare function.
page-welfare = What each candidate is worth to the group
page-function = Welfare
page-mean = Mean rating
page-geometric-mean = Geometric mean
page-lowest = Lowest rating
page-schulze = Schulze
page-alpha = Inequality aversion { $alpha }
# In brackets after the name of the function that chose the statement.
page-chooses = it chooses
page-how = How was the statement chosen?
page-generator = Generator
page-reward-model = Reward model
page-opened = Opened
page-ended = Ended
page-made-by = This page was made by Accord. It holds no opinions, and nothing in it tells who wrote or rated what.

## What became of my opinion?

mine-title = **You in round { $round }**
mine-no-opinion = You gave no opinion in this round. Ratings by those who gave none are kept apart and do not count.
mine-late = You joined late: your opinion was not seen by the drafts. It counts in the ranking.
mine-left-out = An organiser took a candidate out that was written from several opinions, one of them yours, and had others drafted without these. Your opinion is not read by drafts any more. It counts in the ranking. Organisers do not see whose it is.
mine-drafts =
    { $drafts ->
        [one] { $read } of { $drafts } draft read your opinion.
       *[other] { $read } of { $drafts } drafts read your opinion.
    }
mine-winner-read = The draft that became the group's statement was one of them.
mine-winner-not-read = The draft that became the group's statement was not one of them.
mine-posted = Of the candidates that were posted, these read it: { $letters }.
mine-critique =
    { $drafts ->
        [one] { $drafts } draft read what you would change.
       *[other] { $drafts } drafts read what you would change.
    }
mine-rating = You rated the group's statement: { $rating }.
mine-not-rated = You did not rate the group's statement.
mine-predicted = The model had predicted { $predicted }.
mine-predicted-counted = The model predicted { $predicted } for you, and ranked with that.
mine-predicted-not-counted = The model predicted { $predicted } for you, which did not count.
mine-cancelled = The round ended without a result.
mine-later = Once there is a result, you see here how it was predicted that you would rate it.
mine-text = You wrote:

## The panel for rating

panel-progress = **Candidate { $place } of { $candidates }** · { $rated } of { $candidates } rated
panel-closes = Rating closes { $when }.
panel-unclear = Several of your reactions stand under one candidate, and it is not known which came last. Please choose here.
panel-critique = You rated a candidate low. What would you change? The revision reads it, without your name.
panel-done = You have rated all of them, and can still change your mind.
panel-again-follows = There is one more page.
panel-again-title = **One candidate a second time**
panel-again = You have rated it before. Please say once more how much you agree, without looking back: it tells how much the models can learn from your ratings. It changes nothing in this round, and you can leave it out.
panel-critique-given = What you would change is saved. You can write it anew with the button.
panel-private = Nobody here sees how you rate.
panel-beside-reactions = Nobody here sees what you choose in this panel. A reaction that you set later replaces it.
panel-no-opinion = You gave no opinion in this round, so your ratings are kept apart and do not count. You can still join.
panel-own-opinion = You wrote:
panel-agreement = How much do you agree?
panel-quality = How well is it written?

## The panel in which organisers look at candidates

review-candidate = **Candidate { $letter }** · { $place } of { $candidates }
review-withheld = **It is withheld:** it is not posted.
review-withheld-so-far = Withheld so far: { $letters }.
review-all-withheld = All are withheld, so none can be posted. Have others drafted from the same opinions, or end the round.
review-withdrawn = **It is withdrawn.**
review-reported =
    { $people ->
        [one] { $people } member reported it.
       *[other] { $people } members reported it.
    }
review-kept = An organiser has looked at that and kept it.
review-last = It is the last one: if it is withdrawn, the round ends without a result.
review-blind = Nobody is shown who wrote what, or from which opinions a candidate was written.
review-confirm =
    { $without ->
        [0] Have candidates drafted anew instead of this one?
        [one] Have candidates drafted anew without the { $without } opinion that this one was written from?
       *[other] Have candidates drafted anew without the { $without } opinions that this one was written from?
    } { $left } opinions are still read.
review-confirm-participants = Who wrote what is left out stays a participant, and is told in private that it is.
review-confirm-rating = Rating is over for the candidates that stand there now; it opens again for the new ones. Ratings stay in the record.
review-nothing = There are no candidates to look at now.
review-not-now = This is no longer to be decided: another organiser was faster, or the round went on. /round review shows what there is.
review-no-such-candidate = This candidate cannot be posted or rated any more.
review-nothing-to-post = All candidates are withheld, so none can be posted.
review-too-few-left = Candidates cannot be drafted without these sources: fewer than { $fewest } opinions would be left to read.
review-too-often = Candidates have been drafted anew { $times } times, and cannot be once more.
review-posted = The candidates are being posted.
review-redrafted = Candidates are being drafted anew.

## Forms
# Titles and labels have at most 45 characters, placeholders 100.

opinion-form-title = Round { $round }: your opinion
opinion-form-label = A draft reads at most { $characters } characters
opinion-form-placeholder = What do you think, and why?
critique-form-title = What would you change?
critique-form-label = What would make you agree more?
critique-form-placeholder = Say what is missing or wrong, as plainly as you can.

## Replies about an opinion

opinion-saved = **Your opinion is saved.**
opinion-changed = **Your changed opinion is saved.**
opinion-saved-late = **You have joined.** No draft has seen your opinion. It counts in the ranking, and your ratings count.
opinion-until = You can change or withdraw it until { $when }.
opinion-drafting-begins = Now there are enough, and drafting begins.
opinion-withdrawn = Your opinion is withdrawn and deleted.
opinion-length = An opinion has 10 to 4000 characters, this one has { $characters }. Your text, to be copied:
opinion-conflict = **Your opinion was changed elsewhere in the meantime,** perhaps on another device. This one is saved:
opinion-conflict-yours = And this is what you sent just now. To keep it, copy it, and change your opinion with the button:
opinion-too-late = **Opinions are closed, and drafting has begun.** You can still join with this text: no draft reads it, but it counts in the ranking, and so do your ratings.
opinion-closed = **Opinions are closed,** and yours stands as you had saved it. What you sent just now was not saved:
opinion-over = **The round is over.** Your text was not used:
opinion-not-used = Your text was not used:
opinion-too-many-changes = **You have changed your opinion { $changes } times,** and the last one that was saved stands. What you sent just now was not saved:
handback = Your opinion, as you wrote it:
handback-none = You gave no opinion in this round.

## Training

consent-question-own = **May your opinions and ratings train this server's models?** If you agree, they are kept for it beyond their time, and whoever hosts this bot may also give them to researchers, under pseudonyms, until you say otherwise with /privacy training; what a model has learned or researchers were given by then stays. Nothing else depends on your answer.
consent-question-shared = **May your opinions and ratings train the models of this server, and of other servers of this bot that share theirs?** If you agree, they are kept for it beyond their time, and whoever hosts this bot may also give them to researchers, under pseudonyms, until you say otherwise with /privacy training; what a model has learned or researchers were given by then stays. Nothing else depends on your answer.
consent-yes = **You agreed on { $when } that your opinions and ratings in this server train models.**
consent-no = **Your opinions and ratings in this server train no model.**
consent-off = Training is off in this server: nobody's opinions and ratings train anything now. What was kept for it stays kept until you say that you would rather not.
consent-own = The opinions and ratings of members who agree train this server's models, and no other server's. They are kept for it beyond their time, and whoever hosts this bot may also give them to researchers, under pseudonyms. Whoever changes their mind is left out from then on, and their opinions whose time is over are deleted at once; what a model has learned or researchers were given by then stays.
consent-not-shared = You agreed when this server did not share: the models of other servers learn nothing from you, unless you agree to that too.
consent-shared = The opinions and ratings of members who agree train the models of this server, and of other servers of this bot that share theirs. They are kept for it beyond their time, and whoever hosts this bot may also give them to researchers, under pseudonyms. Whoever changes their mind is left out from then on, and their opinions whose time is over are deleted at once; what a model has learned or researchers were given by then stays.

## Status and list

status-title = **Round { $round }**
status-report =
    { $people ->
        [one] { $people } member reported [a candidate]({ $url }).
       *[other] { $people } members reported [a candidate]({ $url }).
    }
can-do-opinions = Organisers: `/round extend`, `/round close` once there are enough opinions, `/round cancel`.
can-do-too-few = Organisers: `/round extend`, or `/round close` to end it.
can-do-drafting = Organisers: `/round cancel`. Nothing has a deadline now.
can-do-failed = Organisers: `/round close` has it tried again at once; `/round cancel`.
can-do-review = Organisers: `/round review` shows the candidates, which are posted when an organiser says so; `/round cancel`.
can-do-rating = Organisers: `/round extend`, `/round close` with half an hour's notice, `/round review` to withdraw a candidate, `/round cancel`.
can-do-concluded = Organisers: `/round answer` says what becomes of the result; `/round export`.
can-do-cancelled = Nothing is left to do.
list-title = **Rounds**
list-empty = There was no round here yet.
list-entry = **{ $round }** { $question } ({ $phase })
list-entry-link = [**{ $round }**]({ $url }) { $question } ({ $phase })
list-more =
    { $more ->
        [one] { $more } older round is not shown
       *[other] { $more } older rounds are not shown
    }


## Models and retraining

# Within a sentence, and as headings.
model-reward = reward model
model-generator = generator
heading-reward = Reward model: predicts how members rate
heading-generator = Generator: writes candidates
# In place of a version's name.
version-of-host = the host's version
training-title = **Retraining { $number }: { $model }**
training-asked = Asked for by { $who } on { $when }.
training-data = It learns from { $ratings ->
    [one] { $ratings } rating
   *[other] { $ratings } ratings
  } by { $members ->
    [one] { $members } member who agreed to that,
   *[other] { $members } members who agreed to that,
  } in { $rounds ->
    [one] { $rounds } round.
   *[other] { $rounds } rounds.
  }
training-imported =
    { $imported ->
        [one] { $imported } imported deliberation is added.
       *[other] { $imported } imported deliberations are added.
    }
training-soon = It begins in a moment.
training-queue =
    { $before ->
        [one] { $before } other retraining comes before it.
       *[other] { $before } other retrainings come before it.
    }
training-share = **{ $share } %** of the training is done.
training-pauses = It pauses while candidates are drafted.
training-hours = It goes on { $when }: the host trains at certain hours only.
training-activated = **The new version, { $version }, is better. It is active from now on.** `/model rollback` goes back.
training-not-better = **The new version is not better than the one that is active, so nothing changes.** With more ratings it may be.
training-overtaken = **The new version, { $version }, is better than the one that was active when its training began, but another one is active now.** So nothing changes.
training-not-enough =
    { $rounds ->
        [one] **It cannot be told whether the new version is better:** { $rounds } round has ratings to compare. So nothing changes.
       *[other] **It cannot be told whether the new version is better:** { $rounds } rounds have ratings to compare. So nothing changes.
    }
training-nothing-learned = **The training learned nothing that makes the model better,** so there is no new version and nothing changes. With more ratings it may.
training-failed = **It failed several times and was given up.** Whoever hosts this bot finds in the log why.
training-no-data = **It ended: there is not enough left to learn from,** or training was turned off.
training-cancelled-by = **Cancelled by { $who }.** Nothing changes.
training-compared = On { $rounds } rounds that it had not seen, the new version tells in { $new } % of cases which of two statements a member agrees with more, the active one in { $active } %. The gain lies between { $low } and { $high } points (90 % interval).
training-compared-loss = On { $rounds } rounds that it had not seen, statements that the group found good cost the new version { $new } nats a token, the active one { $active }; less is better. The gain lies between { $low } and { $high } (90 % interval).
training-cancelled = The retraining is cancelled.
training-is-over = The retraining is over already.
retrain-title = **Retrain the { $model }?**
retrain-takes = It takes about { $time } and up to { $mib } MiB of memory on the machine of whoever hosts this bot, with low priority; it pauses while candidates are drafted.
retrain-gate = The version becomes active only if it does clearly better than the active one on rounds that it has not seen, of which there are { $fresh }.
retrain-policy = **Before the first time:** Discord's Developer Policy restricts the training of models on message content obtained through its API. Accord trains on what members wrote into its own form and on how they rated, and only of those who agreed. Whether that is allowed is for whoever hosts this bot to decide.
retrain-begins = Retraining { $number } is noted. A message in this channel tells how far it is.
retrain-left = Nothing is retrained.
retrain-not-allowed = Whoever hosts this bot does not let this server retrain its models.
retrain-cannot = The model that this bot uses cannot be trained: only local GGUF files can.
retrain-under-way = Retraining { $number } of this model is under way. `/model status` tells how far it is.
retrain-too-soon = This model can be retrained again on { $when }.
retrain-turned-off = Training is turned off. `/settings set` turns it on; each member is then asked whether they agree.
retrain-too-few =
    { $rounds ->
        [one] { $rounds } round can tell whether a new version is better;
       *[other] { $rounds } rounds can tell whether a new version is better;
    } { $missing ->
        [one] { $missing } more is needed.
       *[other] { $missing } more are needed.
    }
model-status-title = **The models of this server**
model-own = Active: **{ $version }**, this server's own
model-of-host = Active: **{ $version }**, the host's
model-card = Trained on: { $description }. Tested languages: { $languages }.
model-no-languages = none named
model-usable = To learn from: { $ratings ->
    [one] { $ratings } rating
   *[other] { $ratings } ratings
  } in { $rounds ->
    [one] { $rounds } round,
   *[other] { $rounds } rounds,
  } { $new } more than the last version had. { $fresh ->
    [one] { $fresh } round
   *[other] { $fresh } rounds
  } that the active version has not seen can tell whether a new one is better.
model-unusable = Not usable: { $why }.
unusable-without =
    { $rounds ->
        [one] { $rounds } round that was opened while training was off
       *[other] { $rounds } rounds that were opened while training was off
    }
unusable-agreed =
    { $rounds ->
        [one] { $rounds } round with fewer than three participants who agreed to training
       *[other] { $rounds } rounds with fewer than three participants who agreed to training
    }
unusable-deleted =
    { $rounds ->
        [one] { $rounds } round whose opinions are deleted
       *[other] { $rounds } rounds whose opinions are deleted
    }
unusable-ratings =
    { $rounds ->
        [one] { $rounds } round with too few ratings
       *[other] { $rounds } rounds with too few ratings
    }
model-nothing-new = Nothing is new since the last retraining.
model-worth-it = A retraining is worth a try, and takes about { $time }: `/model retrain`.
status-under-way = Under way
status-training = Retraining { $number } ({ $model }): { $state }
rolled-back = The { $model } is { $to } again; it was { $from }.
rollback-nothing = There is no version to go back to: the host's is active.
# Experiment rounds: how often one arm's candidate was rated higher than another's.
report-arms = Experiment rounds
report-arms-models = With the generator { $generator } and the reward model { $rewardmodel }:
report-arms-base = The base model is active: so accord is the best of its drafts, and zero-shot one of them.
report-arms-others = { $rounds ->
    [one] { $rounds } round with other models is not counted.
   *[other] { $rounds } rounds with other models are not counted.
  }
report-arm-mean = { $ours } against { $theirs }, by the mean rating: { $figures }
report-arm-minimum = { $ours } against { $theirs }, by the lowest rating: { $figures }
report-arm-figures = won { $wins } of { $decided } ({ $share } %, 95 % interval { $low }–{ $high } %){ $ties ->
    [0] {""}
    [one] , { $ties } tie
   *[other] , { $ties } ties
  }
report-arm-ties = { $ties ->
    [one] { $ties } tie
   *[other] { $ties } ties
  }, so nothing can be told
report-title = **The versions of the { $model }**
report-verdicts = When they were trained
report-better = { $version }: better than the one that was active then
report-not-better = { $version }: not better than the one that was active then
report-data = What they learned from
report-version-data = { $version }: { $ratings ->
    [one] { $ratings } rating
   *[other] { $ratings } ratings
  } in { $rounds ->
    [one] { $rounds } round;
   *[other] { $rounds } rounds;
  } { $weighted ->
    [one] { $weighted } member counts for less, having rated
   *[other] { $weighted } members count for less, having rated
  } the same statement differently the second time{ $erased ->
    [0] .
    [one] . **It still contains the data of { $erased } member who took them back since.**
   *[other] . **It still contains the data of { $erased } members who took them back since.**
  }
report-damaged = { $version } is damaged, and cannot be used.
report-reward-note = How often the order of two ratings is predicted, on rounds that the version has not seen: of two statements by one member, and of one statement by two members; the error is that of the calibration, in rating points. “longer” and “overlap” need no model: the longer statement, and the one closer to the opinion in its words.
report-generator-note = The cross-entropy a token of statements that were found good, which the version has not seen; less is better.
# Columns of tables: short.
table-version = version
table-within = within
table-between = between
table-error = error
table-longer = longer
table-overlap = overlap
table-loss = loss
table-loss-of-base = untrained
table-active = { $version }*
# In the chart: no markdown, short.
chart-within = two statements
chart-between = two members
chart-baseline = without a model
chart-chance = chance
chart-active = active
chart-version-note = { $rounds } rounds
chart-version-told = { $version }: { $within } % within a member, { $between } % between members.

## Commands and replies

# What the commands are described as; at most 100 characters each.
command-round = Find a statement that this community can agree on
command-round-open = Ask a question, collect opinions in private, and find a statement
    .question = What the community should decide, as one question
    .background = What everybody should know before answering
    .opinions_for = How long opinions can be written, such as 24h or 2 days
    .ratings_for = How long candidates can be rated, such as 24h or 2 days
    .welfare = How ratings become one order; without it as the host has set it, usually the mean
    .posted = How many candidates are posted for rating, 3 to 6
    .minimum = How many opinions are needed
    .rating = By reaction, which everybody can see, or in private
    .revisions = How often the winner is revised by those who disagree, 0 to 2
    .notify = A role that is mentioned twice: now, and when rating opens
    .experiment = Mix candidates of several ways to write them, unlabelled, to see which members like best
command-round-status = Where a round stands
    .round = Which round, if it is not the one here
command-round-extend = Give a phase more time
    .by = How much longer, such as 12h
    .round = Which round, if it is not the one here
command-round-close = Close a phase early; rating is announced to before it closes
    .round = Which round, if it is not the one here
command-round-review = Look at candidates before they are posted, or at those that members reported
    .round = Which round, if it is not the one here
command-round-cancel = End a round without a result
    .round = Which round, if it is not the one here
command-round-result = Show a result, and how it was chosen
    .round = Which round, if it is not the latest one here
command-round-answer = Say publicly what becomes of a result
    .verdict = Whether the community follows the statement
    .reasons = Why
    .round = Which round, if it is not the latest one here
command-round-list = The rounds of this server
command-round-export = A round's statements and how often each rating was given, as a file
    .format = A file for programs (json, the default), or a page for the browser with a chart (html)
    .round = Which round, if it is not the latest one here
command-opinion = Write or change your opinion, in private
    .round = Which round, if several are open here
command-settings = What holds for all rounds of this server
command-settings-show = Show the settings
command-settings-set = Change settings
    .add_organiser = A role whose members may run rounds
    .remove_organiser = A role whose members may no longer run rounds
    .threads = Whether a round gets a thread of its own
    .minimum = How many opinions a round needs
    .rating = By reaction, which everybody can see, or in private
    .opinions_for = How long opinions can be written, such as 24h
    .ratings_for = How long candidates can be rated, such as 24h
    .training = Whether members who agree train models: this server's own, or also those of others that share
    .participants = Who may write an opinion in rounds that are opened from now on
    .member_days = For how many days they must have been members when the round opens; 0 to 365
    .participant_role = The role that they must have
    .review = Whether organisers look at candidates before they are posted, not seeing who wrote what
    .language = The language of what Accord writes here in public, in rounds that are opened from now on
command-privacy = What Accord keeps about you
command-privacy-what = What is kept, for how long, and who can see it
command-privacy-export = Everything that is kept about you, as a file
command-privacy-erase = Delete everything that is kept about you in this server
command-privacy-training = Whether your opinions and ratings train models, and changing it
command-model = The models of this server, and retraining them
command-model-status = Which versions are active, what could be learned, and what is under way
command-model-retrain = Train a version on the ratings of this server
    .what = Which model: the one that predicts ratings, or the one that writes candidates
command-model-report = How good the versions are, and what they learned from
    .what = Which model: the one that predicts ratings, or the one that writes candidates
command-model-rollback = Go back to the version that was active before
    .what = Which model: the one that predicts ratings, or the one that writes candidates
command-help = What Accord does, and what you can do
# What can be chosen in options. In English these are also the names by which the code knows them.
choice-utilitarian = utilitarian
choice-nash = nash
choice-rawlsian = rawlsian
choice-schulze = schulze
choice-reactions = reactions
choice-private = private
choice-adopted = adopted
choice-partly = partly
choice-rejected = rejected
choice-json = json
choice-html = html
choice-off = off
choice-own = own
choice-shared = shared
choice-everyone = everyone
choice-members-before = members-before
choice-role = role
choice-reward = reward
choice-generator = generator

# What goes wrong.
went-wrong = Something went wrong on Accord's side. It is noted; please try again in a minute.
only-in-servers = Accord works in servers only.
old-button = This button does nothing any more. Use the newest message of the round, or /opinion.
not-an-organiser = Only organisers can do this: members with a role from /settings, or with the permission Manage Messages where none is set.
needs-manage-server = This needs the permission Manage Server.
no-such-round = There is no round { $round } here. /round list shows all.
no-round-here = No such round in this channel. Name one with the option round; /round list shows all.
which-round = Several rounds are open here. Name one with the option round.
bad-duration = I cannot read “{ $given }” as a duration from one minute to 30 days. Write it as 24h, 90m or 2 days.
bad-language = I do not speak “{ $given }”. Choose a language from the list.
cannot-notify = I may not mention that role. Allow anyone to mention it, or give me the permission Mention Everyone; @everyone cannot be mentioned.
experiment-alone = An experiment posts one candidate of each way to write them, and is not revised: leave out the options posted and revisions.
missing-permissions = I lack permissions in { $channel }: { $permissions }. Somebody who manages the channel can give them to me; then try again.

# What organisers are told.
round-opened = Round { $round } is open. Its card appears in this channel in a moment.
round-opened-review = Its candidates are posted once an organiser has looked at them: /round review.
round-opened-untested = The question seems to be in a language in which the models are not tested: { $language } (tested: { $tested }). They may write and predict worse. So in this round real ratings alone rank the candidates; predictions only choose which are posted.
round-cancelled = The round has ended without a result. Everybody can get their opinion back on the card.
phase-extended = Open until { $closes }.
rating-closes-early = Rating now closes { $closes }, which is announced.
drafting-begins = Candidates are being drafted now.
busy-drafting = Candidates are being drafted or posted: there is no deadline to move now. /round status tells how far it is.
under-review = Candidates wait for an organiser to look at them: there is no deadline to move now. /round review shows them.
below-minimum = { $opinions ->
    [one] One opinion
   *[other] { $opinions } opinions
  } so far, { $minimum } are needed. Extend the round, or cancel it.
closes-already = It closes { $closes } already.
phase-too-long = A phase can last { $days } days at the longest.
round-over = This round is over.
answer-saved = Your answer now stands under the result.
round-exported = The statements, their welfare, and how often each rating was given. Opinions are not in it, and nothing tells who rated what.
round-exported-page = The result as a page that every browser shows, also without the internet. Opinions are not in it, and nothing tells who rated what.
organisers-by-permission = whoever may manage messages
rating-by-reactions = by reaction, which everybody can see
rating-in-private = in private
with-review = candidates are posted once an organiser has looked at them
without-review = candidates are posted as soon as they are written
with-threads = each round has a thread, where the channel has threads
without-threads = rounds stay in the channel
training-off = off, nothing that members write and rate trains models
training-own = the opinions and ratings of members who agree train this server's models
training-shared = the opinions and ratings of members who agree train the models of this server, and of other servers of this bot that share too
language-of-guild = { $language } (none is chosen: that of the server in Discord, else English)
# Joined with spaces: "1 day 12 hours".
length-days =
    { $days ->
        [one] { $days } day
       *[other] { $days } days
    }
length-hours =
    { $hours ->
        [one] { $hours } hour
       *[other] { $hours } hours
    }
length-minutes =
    { $minutes ->
        [one] { $minutes } minute
       *[other] { $minutes } minutes
    }
settings-shown = Organisers: { $organisers }
    Rating: { $rating }
    Threads: { $threads }
    Opinions needed: { $minimum }
    Opinions are open for { $opinions }, rating for { $ratings }, if /round open does not say otherwise.
    Training: { $training }
    Participants: { $participants }
    Review: { $review }
    Language: { $language }

too-many-open-rounds = { $rounds } rounds are open here, and the host lets no server have more. Close or cancel one first.
too-many-rounds-today = { $rounds } rounds were opened here within a day, and the host lets no server open more. Try again later.
participants-everyone = Everybody here may write an opinion.
participants-members =
    { $days ->
        [0] Whoever was a member of this server before the round opened may write an opinion.
        [one] Whoever had been a member of this server for a day when the round opened may write an opinion.
       *[other] Whoever had been a member of this server for { $days } days when the round opened may write an opinion.
    }
participants-role = Whoever has the role { $role } may write an opinion.
participants-role-missing = Name the role as well, with participant_role.
participants-conflict = These do not go together: choose everyone, or a number of days, or a role.

# What members are told.
too-often =
    { $seconds ->
        [one] That was a lot in one minute. Go on in a second.
       *[other] That was a lot in one minute. Go on in { $seconds } seconds.
    }
no-opinion-to-withdraw = You have no opinion in this round.
opinions-closed = Opinions are closed: yours stays as it is.
candidate-withdrawn = This candidate can no longer be rated.
critique-saved = Noted. Your critique is used, without your name, to draft a revision if there is one.
critique-not-asked = Only participants who rated a candidate 3 or less are asked what they would change.
critique-too-long = A critique has at most { $characters } characters. Here is your text, so that nothing is lost:
no-revision = This round is not revised.
reported = Organisers see that this candidate was reported, and not by whom.
help-member = Accord helps a community find a statement that it can agree on.
    1. An organiser asks a question. You write your opinion with the button on the card, or with /opinion; nobody else can read it here.
    2. A language model drafts statements from all opinions, and the most promising are posted.
    3. You rate how much you agree, from 1 (strongly disagree) to 7 (strongly agree).
    4. The statement that is best for the whole group is posted, with how many agree and how many do not.
    /round status tells where a round stands, /privacy what is kept about you and how to delete it.
help-organiser = You can run rounds: /round open asks a question, /round extend, /round close and /round cancel change its course, /round review shows candidates before they are posted where /settings say so, and what members report, /round answer says what becomes of the result. /settings is for those who manage the server.
privacy-what = What is kept about you: your opinions, critiques and ratings, and the ratings that were predicted for you, by your Discord id, in this server's rounds only. Opinions and critiques are used, without your name, to draft and rank statements; members and moderators cannot read them here, whoever hosts this bot technically can. They are deleted { $days ->
    [one] one day
   *[other] { $days } days
  } after a round's result, a cancelled round's after a week at the latest, in this bot's backups too; what you change or withdraw yourself stays in these for { $snapshots ->
    [one] one more day
   *[other] up to { $snapshots } more days
  }. If you agreed to training (/privacy training), opinions are kept for it beyond this time, and whoever hosts this bot may give opinions and ratings to researchers, under pseudonyms. Ratings by reaction can be seen by everybody; private ones by nobody. /privacy export gives you all of it, /privacy erase deletes it at once, in the backups too. Statements that were posted stay.
privacy-export = { $rounds ->
    [0] Nothing is kept about you in this server's rounds.
    [one] What is kept about you in one round.
   *[other] What is kept about you in { $rounds } rounds.
  }
privacy-export-training = It also says whether you agreed to training.
privacy-versions = Versions of this server's models that have learned from you stay as they are: { $versions }. The next ones are trained without you.
privacy-versions-elsewhere =
    { $versions ->
        [one] One version of a model of another server, with which this one shared, has learned from you and stays.
       *[other] { $versions } versions of models of other servers, with which this one shared, have learned from you and stay.
    }
privacy-erased = { $rounds ->
    [0] Nothing was kept about you in this server's rounds.
    [one] Everything about you in one round is deleted.
   *[other] Everything about you in { $rounds } rounds is deleted.
  } It is also deleted from what models are trained on, and from this bot's backups. What stays: statements that were posted, results as they were counted, and questions and answers that you posted as an organiser, without your name; what others downloaded or were given before, and copies that whoever hosts this bot made elsewhere; and your reactions, which are Discord's. Remove them there: where rating is still open, they are read and kept again.
privacy-erased-just-now = You had everything about you in this server deleted a few minutes ago. It can be done again from { $when } on; until then, an opinion that you have written since can be withdrawn with the button below it.
