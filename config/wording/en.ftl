# What Accord says to people. A translation is a file of the same name in the data folder; what it
# lacks is said in English.

# The language of this file: it decides about plural forms.
language = en

## Forms
opinion-form-title = Round { $round }: your opinion
opinion-form-label = A draft reads at most { $characters } characters
opinion-form-placeholder = What do you think, and why? Only you can read it here.
critique-form-title = What would you change?
critique-form-label = What would make you agree more?
critique-form-placeholder = Say what is missing or wrong, as concretely as you can.

## Commands and replies

# What the commands are described as; at most 100 characters each.
command-round = Find a statement that this community can agree on
command-round-open = Ask a question, collect opinions in private, and find a statement
    .question = What the community should decide, as one question
    .background = What everybody should know before answering
    .opinions_for = How long opinions can be written, such as 24h or 2 days
    .ratings_for = How long candidates can be rated, such as 24h or 2 days
    .welfare = How ratings become one order; without it the mean decides
    .posted = How many candidates are posted for rating, 3 to 6
    .minimum = How many opinions are needed
    .rating = By reaction, which everybody can see, or in private
    .revisions = How often the winner is revised by those who disagree, 0 to 2
    .notify = A role that is mentioned twice: now, and when rating opens
command-round-status = Where a round stands
    .round = Which round, if it is not the one here
command-round-extend = Give a phase more time
    .by = How much longer, such as 12h
    .round = Which round, if it is not the one here
command-round-close = Close a phase early; rating is announced to before it closes
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
command-privacy = What Accord keeps about you
command-privacy-what = What is kept, for how long, and who can see it
command-privacy-export = Everything that is kept about you, as a file
command-privacy-erase = Delete everything that is kept about you in this server
command-help = What Accord does, and what you can do

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
cannot-notify = I may not mention that role. Allow anyone to mention it, or give me the permission Mention Everyone; @everyone cannot be mentioned.
missing-permissions = I lack permissions in { $channel }: { $permissions }. Somebody who manages the channel can give them to me; then try again.

# What organisers are told.
round-opened = Round { $round } is open. Its card appears in this channel in a moment.
round-cancelled = The round has ended without a result. Everybody can get their opinion back on the card.
phase-extended = Open until { $closes }.
rating-closes-early = Rating now closes { $closes }, which is announced.
drafting-begins = Candidates are being drafted now.
busy-drafting = Candidates are being drafted or posted: there is no deadline to move now. /round status tells how far it is.
below-minimum = { $opinions ->
    [one] One opinion
   *[other] { $opinions } opinions
  } so far, { $minimum } are needed. Extend the round, or cancel it.
closes-already = It closes { $closes } already.
phase-too-long = A phase can last { $days } days at the longest.
round-over = This round is over.
no-result-yet = This round has no result.
answer-saved = Your answer now stands under the result.
round-exported = The statements, their welfare, and how often each rating was given. Opinions are not in it, and nothing tells who rated what.
organisers-by-permission = whoever may manage messages
rating-by-reactions = by reaction, which everybody can see
rating-in-private = in private
with-threads = each round has a thread, where the channel has threads
without-threads = rounds stay in the channel
settings-shown = Organisers: { $organisers }
    Rating: { $rating }
    Threads: { $threads }
    Opinions needed: { $minimum }
    Opinions are open for { $opinions }, rating for { $ratings }, if /round open does not say otherwise.

# What members are told.
opinion-withdrawn = Your opinion is withdrawn. You can write another one until opinions close.
no-opinion-to-withdraw = You have no opinion in this round.
opinions-closed = Opinions are closed: yours stays as it is.
rating-closed = Rating is closed, or not open yet.
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
help-organiser = You can run rounds: /round open asks a question, /round extend, /round close and /round cancel change its course, /round answer says what becomes of the result. /settings is for those who manage the server.
privacy-what = What is kept about you: your opinions, critiques and ratings, and the ratings that were predicted for you, by your Discord id, in this server's rounds only. Opinions and critiques are used, without your name, to draft and rank statements; members and moderators cannot read them here, whoever hosts this bot technically can. They are deleted { $days ->
    [one] one day
   *[other] { $days } days
  } after a round's result, a cancelled round's after a week at the latest. Ratings by reaction can be seen by everybody; private ones by nobody. /privacy export gives you all of it, /privacy erase deletes it at once. Statements that were posted stay.
privacy-export = { $rounds ->
    [0] Nothing is kept about you here.
    [one] What is kept about you in one round.
   *[other] What is kept about you in { $rounds } rounds.
  }
privacy-erased = { $rounds ->
    [0] Nothing was kept about you here.
    [one] Everything about you in one round is deleted.
   *[other] Everything about you in { $rounds } rounds is deleted.
  } What stays: statements that were posted, results as they were counted, and your reactions, which are Discord's: remove them there.
