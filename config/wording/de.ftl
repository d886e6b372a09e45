# Was Accord zu Menschen sagt, auf Deutsch. Die Erläuterungen zum Format stehen in en.ftl.
#
# Die Wörter: Runde, Frage, Mitglied, Teilnehmende (Mitglieder mit einer Meinung), Meinung, Entwurf,
# Vorschlag (was bewertet wird), gemeinsame Aussage, Bewertung, Wohlfahrt, Leitung (wer Runden
# leitet), Generator, Bewertungsmodell. Mitglieder werden geduzt.

language = de
language-name = Deutsch

## Shared words

decimal = { $whole },{ $decimals }
person-erased = jemand, dessen Daten gelöscht wurden
person-accord = Accord
agreement-1 = 1 · stimme gar nicht zu
agreement-2 = 2 · stimme nicht zu
agreement-3 = 3 · stimme eher nicht zu
agreement-4 = 4 · weder noch
agreement-5 = 5 · stimme eher zu
agreement-6 = 6 · stimme zu
agreement-7 = 7 · stimme voll zu
quality-1 = 1 · sehr schlecht
quality-2 = 2 · schlecht
quality-3 = 3 · eher schlecht
quality-4 = 4 · mittelmäßig
quality-5 = 5 · eher gut
quality-6 = 6 · gut
quality-7 = 7 · sehr gut
welfare-utilitarian = dem Mittelwert der Bewertungen (utilitaristisch)
welfare-nash = dem geometrischen Mittel der Bewertungen (Bernoulli-Nash)
welfare-rawlsian = der niedrigsten Bewertung (nach Rawls)
welfare-alpha = der Wohlfahrt der Bewertungen mit einer Ungleichheitsaversion von { $alpha }
welfare-schulze = dem Vergleich jedes Vorschlags mit jedem (Schulze)
spread =
    { $agree ->
        [one] { $agree } stimmt zu
       *[other] { $agree } stimmen zu
    }, { $neutral } neutral, { $dissent } dagegen

## Buttons

button-opinion = Meinung schreiben
button-change-opinion = Meinung ändern
button-join-late = Noch mitmachen
button-opinions-closed = Keine Meinungen mehr
button-withdraw = Zurückziehen
button-late = Mit diesem Text noch mitmachen
button-handback = Meine Meinung zurückbekommen
button-rate = Vertraulich bewerten
button-back = Zurück
button-next = Weiter
button-critique = Sagen, was du ändern würdest
button-report = Melden
button-status = Wie ist der Stand?
button-review = Vorschläge ansehen
button-withhold = Zurückhalten
button-withhold-not = Doch veröffentlichen
button-withhold-without = Zurückhalten und ohne seine Quellen neu entwerfen
button-post =
    { $posted ->
        [one] { $posted } Vorschlag veröffentlichen
       *[other] { $posted } Vorschläge veröffentlichen
    }
button-redraft = Neu entwerfen
button-keep = Behalten
button-remove = Zurückziehen
button-remove-without = Zurückziehen und ohne seine Quellen neu entwerfen
button-sure = Neu entwerfen
button-why = Wie wurde das gewählt?
button-mine = Was wurde aus meiner Meinung?
button-see-result = Zum Ergebnis
button-see-card = Zur Karte
button-extend = Verlängern
button-end = Runde beenden
button-retrain = Neu trainieren
button-not-now = Jetzt nicht
button-cancel-retraining = Abbrechen
button-agree = Ich bin einverstanden
button-rather-not = Lieber nicht

## Where a round stands

opinions-of-minimum = **{ $opinions } von { $minimum } Meinungen**
opinions =
    { $opinions ->
        [one] **{ $opinions } Meinung**
       *[other] **{ $opinions } Meinungen**
    }
state-opinions-close = Meinungen werden angenommen bis { $when }.
state-extended = Bis zur ersten Frist hatten zu wenige geschrieben; sie wurde einmal verlängert.
state-too-few = Die Zeit ist um, und es fehlen Meinungen. Die Leitung entscheidet, ob es weitergeht. Du kannst deine noch schreiben.
state-drafting =
    { $opinions ->
        [one] Ein Sprachmodell schreibt Vorschläge aus { $opinions } Meinung.
       *[other] Ein Sprachmodell schreibt Vorschläge aus { $opinions } Meinungen.
    }
state-redrafting =
    { $opinions ->
        [one] Ein Sprachmodell schreibt neue Vorschläge aus { $opinions } Meinung.
       *[other] Ein Sprachmodell schreibt neue Vorschläge aus { $opinions } Meinungen.
    }
state-revising = Ein Sprachmodell überarbeitet die Aussage mit dem, was die Gruppe ändern würde.
state-drafts = { $drafted } von { $wanted } Entwürfen sind fertig.
state-queue =
    { $before ->
        [one] { $before } andere Runde ist vorher dran.
       *[other] { $before } andere Runden sind vorher dran.
    }
state-drafting-failed =
    { $failures ->
        [one] Es hat noch nicht geklappt. Der nächste Versuch folgt { $when }. Keine Meinung geht verloren.
       *[other] Es hat { $failures }-mal nicht geklappt. Der nächste Versuch folgt { $when }. Keine Meinung geht verloren.
    }
state-too-slow = Das Sprachmodell hat nicht rechtzeitig geantwortet.
state-review = Die Vorschläge sind geschrieben. Die Leitung sieht sie an, bevor sie veröffentlicht werden.
state-posting = Die Vorschläge werden gerade veröffentlicht.
state-rating-closes = Bewerte die Vorschläge bis { $when }.
state-rated =
    { $participants ->
        [one] { $rated } von { $participants } Teilnehmenden hat alle bewertet.
       *[other] { $rated } von { $participants } Teilnehmenden haben alle bewertet.
    }
state-revision-follows = Wenn jemand niedrig bewertet und sagt, was zu ändern ist, wird die Aussage überarbeitet.
state-concluded = Die Runde endete am { $when }.
state-cancelled = Die Runde endete am { $when }, ohne Ergebnis.
outcome-consensus = **Konsens.** Die meisten, die bewertet haben, stimmen der Aussage zu.
outcome-contested = **Umstritten.** Viele, die bewertet haben, stimmen der Aussage zu, aber zu wenige für einen Konsens.
outcome-none = **Keine Aussage fand genug Zustimmung.**
outcome-unrated = **Zu wenig bewertet.** Zu wenige Teilnehmende haben bewertet, um zu sagen, ob sie zustimmen.
cancelled-by-organiser = Die Leitung hat sie beendet.
cancelled-too-few = Zu wenige haben eine Meinung geschrieben.
cancelled-place-gone = Ihr Kanal oder Thread ist weg.
cancelled-no-candidate = Es ist kein Vorschlag mehr da, der bewertet werden könnte.
cancelled-stalled = { $days } Tage lang konnten Vorschläge nicht entworfen oder veröffentlicht werden, oder niemand hat sie angesehen.
phase-opinions = Meinungen bis { $when }
phase-too-few = zu wenige Meinungen
phase-drafting = Vorschläge werden geschrieben
phase-review = Vorschläge werden angesehen
phase-rating = Bewertung bis { $when }
phase-consensus = Konsens
phase-contested = umstritten
phase-none = keine Aussage fand genug Zustimmung
phase-unrated = zu wenige Bewertungen
phase-cancelled = ohne Ergebnis beendet

## The card

card-title = **Runde { $round }**
card-title-notify = { $role } **Runde { $round }** ist offen. Was meinst du?
card-state = Stand
card-thread = Mehr in { $thread }.
card-terms = So geht es
terms-opened = Eröffnet von { $who } am { $when }.
terms-steps =
    { $posted ->
        [one] Du schreibst, was du meinst. Ein Sprachmodell schreibt Vorschläge für eine Aussage, der die Gruppe zustimmen kann, und { $posted } wird veröffentlicht.
       *[other] Du schreibst, was du meinst. Ein Sprachmodell schreibt Vorschläge für eine Aussage, der die Gruppe zustimmen kann, und bis zu { $posted } werden veröffentlicht.
    }
terms-reactions = Du bewertest sie von 1 bis 7, mit einer Reaktion oder vertraulich.
terms-private = Du bewertest sie vertraulich von 1 bis 7.
terms-welfare = Die Aussage wird gewählt nach { $rule }.
terms-revisions =
    { $revisions ->
        [one] Sie kann einmal überarbeitet werden mit dem, was jene ändern würden, die nicht zustimmen.
       *[other] Sie kann { $revisions }-mal überarbeitet werden mit dem, was jene ändern würden, die nicht zustimmen.
    }
terms-review = Die Leitung sieht die Vorschläge an, bevor sie veröffentlicht werden, und kann einen zurückhalten. Sie sieht nicht, wer was geschrieben hat.
terms-experiment = **Das ist ein Experiment:** Die Vorschläge werden auf verschiedene Arten geschrieben. Welcher wie entstand, wird gezeigt, wenn die Runde vorbei ist.
terms-real-ratings-only = **Die Modelle sind in der Sprache der Frage nicht geprüft.** Darum entscheiden nur eure Bewertungen; was die Modelle vorhersagen, zählt nicht.
card-privacy = Was mit deiner Meinung geschieht
privacy-use = Sie wird ohne deinen Namen verwendet, um Entwürfe zu schreiben und zu ordnen. Was du schreibst, kann durchscheinen: Lass also weg, was dich verraten würde.
privacy-readers = Mitglieder und Moderation können sie nicht lesen. Wer den Bot betreibt, kann es technisch.
privacy-local = Die Modelle laufen auf dem Rechner des Bots selbst.
privacy-endpoint = Sie wird an die Modelle bei { $host } geschickt.
privacy-kept =
    { $days ->
        [0] Sie wird gelöscht, sobald es ein Ergebnis gibt.
        [one] Sie wird einen Tag nach dem Ergebnis gelöscht.
       *[other] Sie wird { $days } Tage nach dem Ergebnis gelöscht.
    }
privacy-reactions = Alle können sehen, wer mit welcher Bewertung reagiert. Du kannst stattdessen vertraulich bewerten.
privacy-private = Niemand hier sieht, wie du bewertest.
privacy-training = Mit den Meinungen und Bewertungen der Mitglieder, die einverstanden sind, werden die Modelle trainiert; alle werden vertraulich gefragt. Was diese geschrieben haben, wird länger behalten.
privacy-but-training = Meinungen von Mitgliedern, die mit dem Training einverstanden sind, werden dafür behalten.
privacy-deleted-at = Meinungen werden am { $when } gelöscht.
privacy-deleted = Die Meinungen sind gelöscht.

## Announcements

too-few = **Runde { $round }** hat auch nach der Verlängerung zu wenige Meinungen.
too-few-choice = Die Leitung entscheidet: noch einmal verlängern oder beenden. Endet sie, bekommen alle ihre Meinung zurück.
too-few-decided = Runde { $round } hat hier auf weitere Meinungen gewartet. Das tut sie nicht mehr.
review-notice = **Die Vorschläge von Runde { $round } sind geschrieben.** Die Leitung sieht sie an, bevor sie veröffentlicht werden, und sieht nicht, wer was geschrieben hat.
review-notice-posted = Die Leitung hat diese Vorschläge angesehen, und sie wurden veröffentlicht.
review-notice-unposted = Hier wurden Vorschläge angesehen und nicht veröffentlicht.
candidate-was-withdrawn = Die Leitung hat diesen Vorschlag zurückgezogen. Er kann nicht mehr bewertet werden.
candidate-footer = Von einem Sprachmodell geschrieben
candidate-footer-closed = Von einem Sprachmodell geschrieben · Die Bewertung ist beendet
rating-open = **Die Bewertung ist offen.** Bewerte die Vorschläge oben bis { $when }.
rating-open-notify = { $role } **Die Bewertung ist offen.** Bewerte die Vorschläge oben bis { $when }.
rating-open-revised = **Die Aussage wurde überarbeitet.** Bewerte die Vorschläge oben bis { $when }.
rating-open-anew = **Es gibt neue Vorschläge.** Bewerte die Vorschläge oben bis { $when }. Was du vorher bewertet hast, bleibt.
rating-how-reactions = Reagiere unter jedem mit 1️⃣ (stimme gar nicht zu) bis 7️⃣ (stimme voll zu). Die letzte Ziffer, die du setzt, zählt, und alle können sehen, wer sie gesetzt hat.
rating-how-instead = Du möchtest nicht öffentlich bewerten? Nimm den Knopf. Dort kannst du auch sagen, wie gut ein Vorschlag geschrieben ist.
rating-how-private = Nimm den Knopf. Niemand hier sieht, wie du bewertest, und Ergebnisse bleiben verborgen, bis die Bewertung endet.
rating-who-counts = Bewertungen zählen von Teilnehmenden, also von allen, die eine Meinung geschrieben haben. Eine Reaktion allein genügt nicht. Du kannst noch mitmachen, mit dem Knopf auf der Karte.
rating-closes-when-all = Die Bewertung endet früher, sobald alle Teilnehmenden alle Vorschläge bewertet haben.
rating-closed = Die Bewertung ist beendet.
closing-early = **Die Bewertung endet früher,** { $when }. Bis dahin kannst du bewerten und deine Bewertungen ändern.
closing-early-no-more = **Die Bewertung endet später, als hier angekündigt war:** { $when }.
cancelled-title = **Runde { $round } endete ohne Ergebnis**
cancelled-handback = Mit dem Knopf bekommst du deine Meinung zurück, ohne dass andere sie sehen. Meinungen werden am { $when } gelöscht.

## The result

result-consensus = **Runde { $round }: Konsens.** Die meisten, die bewertet haben, stimmen dieser Aussage zu.
result-few-rated = **Runde { $round }: Zu wenige haben bewertet.** Nach diesen wenigen Bewertungen steht diese Aussage an erster Stelle.
result-contested = **Runde { $round }: umstritten.** Die Gruppe ist geteilter Meinung über diese Aussage, die an erster Stelle steht.
result-none = **Runde { $round }: Keine Aussage fand genug Zustimmung; am nächsten kam diese.**
result-unrated = **Runde { $round }: Zu wenige haben bewertet.** Diese Aussage steht an erster Stelle, vor allem nach Vorhersagen.
result-rated =
    { $participants ->
        [one] { $rated } von { $participants } Teilnehmenden hat sie bewertet: { $spread }.
       *[other] { $rated } von { $participants } Teilnehmenden haben sie bewertet: { $spread }.
    }
result-nobody-rated =
    { $participants ->
        [one] Die eine teilnehmende Person hat sie nicht bewertet.
       *[other] Von { $participants } Teilnehmenden hat niemand sie bewertet.
    }
result-written-by-model = Ein Sprachmodell hat sie aus den Meinungen der Gruppe geschrieben. Sie spricht nur so weit für die Gruppe, wie diese Zahlen zeigen.
result-practically-equal = Es ist knapp: Diese beiden sind praktisch gleichauf. { $letter } steht vorn, was fehlende Bewertungen ändern könnten.
certainty-clear = Die Wahl ist deutlich: Bewertungen, die nur vorhergesagt sind, würden sie kaum ändern.
certainty-close = Die Wahl ist knapp: Bewertungen, die nur vorhergesagt sind, könnten sie ändern.
certainty-best = Mit einer Wahrscheinlichkeit von { $share } % ist die gewählte Aussage die beste dieser Vorschläge, soweit Bewertungen nur vorhergesagt sind.
certainty-welfare = Mit { $level } % liegt ihre Wohlfahrt zwischen { $low } und { $high }.
result-notes = Zu diesem Ergebnis
result-predicted = Wo Teilnehmende nicht bewertet haben, wurde mit einer Vorhersage geordnet. Vorhersagen werden nie als Menschen gezählt.
result-real-ratings-only = Geordnet haben nur eure Bewertungen: Die Modelle sind in der Sprache der Frage nicht geprüft. Eine fehlende Bewertung zählte wie die anderen derselben Person; wo jemand gar nicht bewertet hat, ändert sie nichts.
result-real-ratings-differ = Nach echten Bewertungen allein wäre { $letter } gewählt worden: { $statement }
result-subsets = Jeder Entwurf las { $read } von { $opinions } Meinungen.
result-late =
    { $late ->
        [one] { $late } Person kam später dazu. Kein Entwurf hat ihre Meinung gelesen.
       *[other] { $late } Personen kamen später dazu. Kein Entwurf hat ihre Meinungen gelesen.
    }
result-left-out =
    { $opinions ->
        [one] { $opinions } Meinung wurde nicht mehr gelesen, als neu entworfen wurde. Beim Ordnen zählt sie.
       *[other] { $opinions } Meinungen wurden nicht mehr gelesen, als neu entworfen wurde. Beim Ordnen zählen sie.
    }
result-others =
    { $people ->
        [one] { $people } Mitglied ohne Meinung hat sie auch bewertet, was nicht zählt: { $spread }.
       *[other] { $people } Mitglieder ohne Meinung haben sie auch bewertet, was nicht zählt: { $spread }.
    }
result-revised =
    { $critiques ->
        [one] Sie ist eine Überarbeitung, geschrieben mit dem, was eine teilnehmende Person ändern würde.
       *[other] Sie ist eine Überarbeitung, geschrieben mit dem, was { $critiques } Teilnehmende ändern würden.
    }
answer-heading = Die Antwort der Leitung
answer-adopted = **Angenommen** ({ $who }, { $when })
answer-partly = **Teilweise angenommen** ({ $who }, { $when })
answer-rejected = **Abgelehnt** ({ $who }, { $when })
log-heading = Was die Leitung getan hat
log-opened = { $who } hat die Runde eröffnet
log-extended = { $who } hat die Frist auf { $when } verlegt
log-closed-early = { $who } hat eine Phase früher beendet
log-cancelled = { $who } hat die Runde beendet
log-answered = { $who } hat auf das Ergebnis geantwortet
log-candidate-withdrawn = die Nachricht eines Vorschlags wurde gelöscht und der Vorschlag zurückgezogen
log-retried = { $who } hat das Entwerfen noch einmal versuchen lassen
log-withheld = { $who } hat einen Vorschlag zurückgehalten
log-reviewed = { $who } hat die Vorschläge angesehen und veröffentlichen lassen
log-kept = { $who } hat einen gemeldeten Vorschlag angesehen und behalten
log-withdrawn = { $who } hat einen Vorschlag zurückgezogen
log-redrafted = { $who } hat Vorschläge neu entwerfen lassen
log-redrafted-without =
    { $opinions ->
        [one] { $who } hat einen Vorschlag herausgenommen und andere entwerfen lassen, ohne die { $opinions } Meinung, aus der er geschrieben war
       *[other] { $who } hat einen Vorschlag herausgenommen und andere entwerfen lassen, ohne die { $opinions } Meinungen, aus denen er geschrieben war
    }

## The chart

chart-agree = stimmt zu (5–7)
chart-neutral = neutral (4)
chart-dissent = dagegen (1–3)
chart-rated = echte Bewertung
chart-predicted = nur vorhergesagt
chart-participants = Teilnehmende
chart-ratings = Bewertungen
chart-welfare = Wohlfahrt
chart-chosen = gewählt
chart-note = { $rated } von { $participants } bewertet
chart-told =
    { $chosen ->
        [yes] { $letter }, der gewählte Vorschlag
       *[no] { $letter }
    }: { $spread }; { $predicted ->
        [0] Wohlfahrt { $welfare }.
       *[other] für { $predicted } weitere nur vorhergesagt; Wohlfahrt { $welfare }.
    }

## How was this chosen?

no-result-yet = Die Runde hat noch kein Ergebnis.
why-title = **Wie die Aussage von Runde { $round } gewählt wurde**
why-drafts = { $drafts } Vorschläge wurden geschrieben und { $posted } veröffentlicht.
why-rule = Sie sind geordnet nach { $rule }: mit echten Bewertungen, wo es welche gibt, sonst mit vorhergesagten.
why-rule-real-ratings-only = Sie sind geordnet nach { $rule }, und das nur mit echten Bewertungen.
why-real-ratings = Nach echten Bewertungen allein steht { $letter } vorn.
why-models = Generator: { $generator }. Bewertungsmodell: { $rewardmodel }.
why-chosen = { $letter } · gewählt
why-candidate = { $letter }
why-arm-accord = Ausgewählt aus vielen Entwürfen des Generators, wie in anderen Runden (accord).
why-arm-sft = Ein Entwurf des Generators, nicht aus anderen ausgewählt (sft).
why-arm-zero-shot = Ein Entwurf des Modells, bevor es trainiert wurde (zero-shot).
why-welfare = Wohlfahrt: utilitaristisch { $utilitarian }, Nash { $nash }, Rawls { $rawlsian }, Schulze { $schulze } von { $others }
why-rated = { $rated } von { $participants } haben ihn bewertet: { $real } im Mittel.
why-rated-and-predicted = { $rated } von { $participants } haben ihn bewertet: { $real } im Mittel. Für dieselben Personen vorhergesagt: { $predicted }.
why-not-rated = Niemand von den Teilnehmenden hat ihn bewertet. Alles ist vorhergesagt.
why-not-rated-at-all = Niemand von den Teilnehmenden hat ihn bewertet.
why-scale = Wohlfahrt von 1 bis 7: utilitaristisch ist der Mittelwert, Nash das geometrische Mittel, Rawls die niedrigste Bewertung. Schulze zählt die anderen, die ihn nicht schlagen.

## The report

page-when = { $day }.{ $month }.{ $year }, { $hour }:{ $minute } Uhr (UTC)
page-question = Frage von Runde { $round }
page-adopted = Angenommen
page-partly = Teilweise angenommen
page-rejected = Abgelehnt
page-candidates = Die Vorschläge und ihre Bewertungen
page-times-rated = Wie oft { $letter } jede Bewertung bekam
page-rating = Bewertung
page-rated = von Teilnehmenden
page-predicted = nur vorhergesagt
page-others = von anderen, was nicht zählt
page-welfare = Was jeder Vorschlag der Gruppe wert ist
page-function = Wohlfahrt
page-mean = Mittelwert
page-geometric-mean = Geometrisches Mittel
page-lowest = Niedrigste Bewertung
page-schulze = Schulze
page-alpha = Ungleichheitsaversion { $alpha }
page-chooses = entscheidet
page-how = Wie wurde die Aussage gewählt?
page-generator = Generator
page-reward-model = Bewertungsmodell
page-opened = Eröffnet
page-ended = Beendet
page-made-by = Diese Seite hat Accord erstellt. Sie enthält keine Meinungen, und nichts darin verrät, wer was geschrieben oder bewertet hat.

## What became of my opinion?

mine-title = **Du in Runde { $round }**
mine-no-opinion = Du hast in dieser Runde keine Meinung geschrieben. Bewertungen ohne Meinung werden getrennt geführt und zählen nicht.
mine-late = Du kamst später dazu: Kein Entwurf hat deine Meinung gelesen. Beim Ordnen zählt sie.
mine-left-out = Die Leitung hat einen Vorschlag herausgenommen, der aus mehreren Meinungen geschrieben war, auch aus deiner, und ohne diese Meinungen andere entwerfen lassen. Deine Meinung wird von Entwürfen nicht mehr gelesen. Beim Ordnen zählt sie. Die Leitung sieht nicht, von wem sie ist.
mine-drafts =
    { $drafts ->
        [one] { $read } von { $drafts } Entwurf hat deine Meinung gelesen.
       *[other] { $read } von { $drafts } Entwürfen haben deine Meinung gelesen.
    }
mine-winner-read = Der Entwurf, der zur gemeinsamen Aussage wurde, war dabei.
mine-winner-not-read = Der Entwurf, der zur gemeinsamen Aussage wurde, war nicht dabei.
mine-posted = Von den veröffentlichten Vorschlägen haben diese sie gelesen: { $letters }.
mine-critique =
    { $drafts ->
        [one] { $drafts } Entwurf hat gelesen, was du ändern würdest.
       *[other] { $drafts } Entwürfe haben gelesen, was du ändern würdest.
    }
mine-rating = Du hast die gemeinsame Aussage bewertet: { $rating }.
mine-not-rated = Du hast die gemeinsame Aussage nicht bewertet.
mine-predicted = Das Modell hatte { $predicted } vorhergesagt.
mine-predicted-counted = Das Modell hat für dich { $predicted } vorhergesagt und damit geordnet.
mine-predicted-not-counted = Das Modell hat für dich { $predicted } vorhergesagt, was nicht gezählt hat.
mine-cancelled = Die Runde endete ohne Ergebnis.
mine-later = Sobald es ein Ergebnis gibt, siehst du hier, welche Bewertung für dich vorhergesagt war.
mine-text = Du hast geschrieben:

## The panel for rating

panel-progress = **Vorschlag { $place } von { $candidates }** · { $rated } von { $candidates } bewertet
panel-closes = Die Bewertung endet { $when }.
panel-unclear = Unter einem Vorschlag stehen mehrere Reaktionen von dir, und es ist nicht bekannt, welche die letzte war. Bitte wähle hier.
panel-critique = Du hast einen Vorschlag niedrig bewertet. Was würdest du ändern? Die Überarbeitung liest es, ohne deinen Namen.
panel-done = Du hast alle bewertet und kannst es dir noch anders überlegen.
panel-again-follows = Es gibt noch eine Seite.
panel-again-title = **Ein Vorschlag zum zweiten Mal**
panel-again = Du hast ihn schon bewertet. Bitte sag noch einmal, wie sehr du zustimmst, ohne nachzusehen: Das zeigt, wie viel die Modelle aus deinen Bewertungen lernen können. In dieser Runde ändert es nichts, und du kannst es weglassen.
panel-critique-given = Was du ändern würdest, ist gespeichert. Mit dem Knopf kannst du es neu schreiben.
panel-private = Niemand hier sieht, wie du bewertest.
panel-beside-reactions = Niemand hier sieht, was du in diesem Fenster wählst. Eine Reaktion, die du später setzt, ersetzt es.
panel-no-opinion = Du hast in dieser Runde keine Meinung geschrieben; deine Bewertungen werden darum getrennt geführt und zählen nicht. Du kannst noch mitmachen.
panel-own-opinion = Du hast geschrieben:
panel-agreement = Wie sehr stimmst du zu?
panel-quality = Wie gut ist er geschrieben?

## The panel in which organisers look at candidates

review-candidate = **Vorschlag { $letter }** · { $place } von { $candidates }
review-withheld = **Er ist zurückgehalten:** Er wird nicht veröffentlicht.
review-withheld-so-far = Bisher zurückgehalten: { $letters }.
review-all-withheld = Alle sind zurückgehalten, also kann keiner veröffentlicht werden. Lass aus denselben Meinungen andere entwerfen, oder beende die Runde.
review-withdrawn = **Er ist zurückgezogen.**
review-reported =
    { $people ->
        [one] { $people } Mitglied hat ihn gemeldet.
       *[other] { $people } Mitglieder haben ihn gemeldet.
    }
review-kept = Die Leitung hat das angesehen und ihn behalten.
review-last = Er ist der letzte: Wird er zurückgezogen, endet die Runde ohne Ergebnis.
review-blind = Niemand bekommt gezeigt, wer was geschrieben hat oder aus welchen Meinungen ein Vorschlag geschrieben wurde.
review-confirm =
    { $without ->
        [0] Statt dieses Vorschlags neue entwerfen lassen?
        [one] Neue Vorschläge entwerfen lassen, ohne die { $without } Meinung, aus der dieser geschrieben wurde?
       *[other] Neue Vorschläge entwerfen lassen, ohne die { $without } Meinungen, aus denen dieser geschrieben wurde?
    } { $left } Meinungen werden weiter gelesen.
review-confirm-participants = Wessen Meinung wegbleibt, nimmt weiter teil und erfährt davon, ohne dass andere es sehen.
review-confirm-rating = Für die Vorschläge, die jetzt da stehen, endet die Bewertung; für die neuen beginnt sie wieder. Die Bewertungen bleiben gespeichert.
review-nothing = Es gibt gerade keine Vorschläge anzusehen.
review-not-now = Das ist nicht mehr zu entscheiden: Jemand anders war schneller, oder die Runde ging weiter. /round review zeigt, was da ist.
review-no-such-candidate = Dieser Vorschlag kann nicht mehr veröffentlicht oder bewertet werden.
review-nothing-to-post = Alle Vorschläge sind zurückgehalten, also kann keiner veröffentlicht werden.
review-too-few-left = Ohne diese Quellen kann nicht entworfen werden: Es blieben weniger als { $fewest } Meinungen zu lesen.
review-too-often = Es wurde schon { $times }-mal neu entworfen, und öfter geht es nicht.
review-posted = Die Vorschläge werden veröffentlicht.
review-redrafted = Vorschläge werden neu entworfen.

## Forms

opinion-form-title = Runde { $round }: deine Meinung
opinion-form-label = Entwürfe lesen bis zu { $characters } Zeichen
opinion-form-placeholder = Was meinst du, und warum?
critique-form-title = Was würdest du ändern?
critique-form-label = Was würde dich eher zustimmen lassen?
critique-form-placeholder = Sag so einfach wie möglich, was fehlt oder falsch ist.

## Replies about an opinion

opinion-saved = **Deine Meinung ist gespeichert.**
opinion-changed = **Deine geänderte Meinung ist gespeichert.**
opinion-saved-late = **Du bist dabei.** Kein Entwurf hat deine Meinung gelesen. Beim Ordnen zählt sie, und deine Bewertungen zählen.
opinion-until = Du kannst sie ändern oder zurückziehen bis { $when }.
opinion-drafting-begins = Jetzt sind es genug, und das Entwerfen beginnt.
opinion-withdrawn = Deine Meinung ist zurückgezogen und gelöscht.
opinion-length = Eine Meinung hat 10 bis 4000 Zeichen, diese hat { $characters }. Dein Text, zum Kopieren:
opinion-conflict = **Deine Meinung wurde inzwischen anderswo geändert,** vielleicht auf einem anderen Gerät. Gespeichert ist diese:
opinion-conflict-yours = Und das hast du eben geschickt. Um es zu behalten, kopiere es und ändere deine Meinung mit dem Knopf:
opinion-too-late = **Meinungen werden nicht mehr angenommen, und das Entwerfen hat begonnen.** Du kannst mit diesem Text noch mitmachen: Kein Entwurf liest ihn, aber beim Ordnen zählt er, und deine Bewertungen zählen auch.
opinion-closed = **Meinungen werden nicht mehr angenommen,** und deine steht so, wie du sie gespeichert hattest. Was du eben geschickt hast, wurde nicht gespeichert:
opinion-over = **Die Runde ist vorbei.** Dein Text wurde nicht verwendet:
opinion-not-used = Dein Text wurde nicht verwendet:
opinion-too-many-changes = **Du hast deine Meinung { $changes }-mal geändert,** und die zuletzt gespeicherte gilt. Was du eben geschickt hast, wurde nicht gespeichert:
handback = Deine Meinung, wie du sie geschrieben hast:
handback-none = Du hast in dieser Runde keine Meinung geschrieben.

## Training

consent-question-own = **Dürfen mit deinen Meinungen und Bewertungen die Modelle dieses Servers trainiert werden?** Wenn du einverstanden bist, werden sie dafür über ihre Zeit hinaus behalten, und wer diesen Bot betreibt, darf sie unter Pseudonymen auch der Forschung geben, bis du mit /privacy training etwas anderes sagst; was ein Modell bis dahin gelernt oder die Forschung bekommen hat, bleibt. Sonst hängt nichts von deiner Antwort ab.
consent-question-shared = **Dürfen mit deinen Meinungen und Bewertungen die Modelle dieses Servers trainiert werden und die anderer Server dieses Bots, die ihre teilen?** Wenn du einverstanden bist, werden sie dafür über ihre Zeit hinaus behalten, und wer diesen Bot betreibt, darf sie unter Pseudonymen auch der Forschung geben, bis du mit /privacy training etwas anderes sagst; was ein Modell bis dahin gelernt oder die Forschung bekommen hat, bleibt. Sonst hängt nichts von deiner Antwort ab.
consent-yes = **Du hast am { $when } zugestimmt, dass mit deinen Meinungen und Bewertungen auf diesem Server Modelle trainiert werden.**
consent-no = **Mit deinen Meinungen und Bewertungen auf diesem Server wird kein Modell trainiert.**
consent-off = Das Training ist auf diesem Server ausgeschaltet: Mit Meinungen und Bewertungen wird jetzt nichts trainiert. Was dafür behalten wurde, bleibt, bis du sagst, dass du das lieber nicht willst.
consent-own = Mit den Meinungen und Bewertungen der Mitglieder, die einverstanden sind, werden die Modelle dieses Servers trainiert und keines anderen. Sie werden dafür über ihre Zeit hinaus behalten, und wer diesen Bot betreibt, darf sie unter Pseudonymen auch der Forschung geben. Wer es sich anders überlegt, bleibt von da an außen vor, und Meinungen, deren Zeit um ist, werden sofort gelöscht; was ein Modell bis dahin gelernt oder die Forschung bekommen hat, bleibt.
consent-not-shared = Du hast zugestimmt, als dieser Server nicht geteilt hat: Die Modelle anderer Server lernen nichts von dir, außer du bist auch damit einverstanden.
consent-shared = Mit den Meinungen und Bewertungen der Mitglieder, die einverstanden sind, werden die Modelle dieses Servers trainiert und die anderer Server dieses Bots, die ihre teilen. Sie werden dafür über ihre Zeit hinaus behalten, und wer diesen Bot betreibt, darf sie unter Pseudonymen auch der Forschung geben. Wer es sich anders überlegt, bleibt von da an außen vor, und Meinungen, deren Zeit um ist, werden sofort gelöscht; was ein Modell bis dahin gelernt oder die Forschung bekommen hat, bleibt.

## Status and list

status-title = **Runde { $round }**
status-report =
    { $people ->
        [one] { $people } Mitglied hat [einen Vorschlag]({ $url }) gemeldet.
       *[other] { $people } Mitglieder haben [einen Vorschlag]({ $url }) gemeldet.
    }
can-do-opinions = Leitung: `/round extend`, `/round close`, sobald genug Meinungen da sind, `/round cancel`.
can-do-too-few = Leitung: `/round extend`, oder `/round close`, um sie zu beenden.
can-do-drafting = Leitung: `/round cancel`. Jetzt läuft keine Frist.
can-do-failed = Leitung: `/round close` lässt es sofort noch einmal versuchen; `/round cancel`.
can-do-review = Leitung: `/round review` zeigt die Vorschläge, die veröffentlicht werden, wenn jemand aus der Leitung es sagt; `/round cancel`.
can-do-rating = Leitung: `/round extend`, `/round close` mit einer halben Stunde Vorlauf, `/round review`, um einen Vorschlag zurückzuziehen, `/round cancel`.
can-do-concluded = Leitung: `/round answer` sagt, was aus dem Ergebnis wird; `/round export`.
can-do-cancelled = Es ist nichts mehr zu tun.
list-title = **Runden**
list-empty = Hier gab es noch keine Runde.
list-entry = **{ $round }** { $question } ({ $phase })
list-entry-link = [**{ $round }**]({ $url }) { $question } ({ $phase })
list-more =
    { $more ->
        [one] { $more } ältere Runde wird nicht gezeigt
       *[other] { $more } ältere Runden werden nicht gezeigt
    }

## Models and retraining

model-reward = Bewertungsmodell
model-generator = Generator
heading-reward = Bewertungsmodell: sagt vorher, wie Mitglieder bewerten
heading-generator = Generator: schreibt Vorschläge
version-of-host = die Version des Betriebs
training-title = **Neues Training { $number }: { $model }**
training-asked = Verlangt von { $who } am { $when }.
training-data = Es lernt aus { $ratings ->
    [one] { $ratings } Bewertung
   *[other] { $ratings } Bewertungen
  } von { $members ->
    [one] { $members } Mitglied, das einverstanden war,
   *[other] { $members } Mitgliedern, die einverstanden waren,
  } in { $rounds ->
    [one] { $rounds } Runde.
   *[other] { $rounds } Runden.
  }
training-imported =
    { $imported ->
        [one] { $imported } eingelesene Beratung kommt dazu.
       *[other] { $imported } eingelesene Beratungen kommen dazu.
    }
training-soon = Es beginnt gleich.
training-queue =
    { $before ->
        [one] { $before } anderes Training ist vorher dran.
       *[other] { $before } andere Trainings sind vorher dran.
    }
training-share = **{ $share } %** des Trainings sind geschafft.
training-pauses = Es pausiert, solange Vorschläge entworfen werden.
training-hours = Es geht { $when } weiter: Trainiert wird nur zu bestimmten Stunden.
training-activated = **Die neue Version, { $version }, ist besser. Sie ist ab jetzt aktiv.** `/model rollback` geht zurück.
training-not-better = **Die neue Version ist nicht besser als die aktive, also ändert sich nichts.** Mit mehr Bewertungen kann sie es werden.
training-overtaken = **Die neue Version, { $version }, ist besser als die, die zu Beginn ihres Trainings aktiv war; jetzt ist aber eine andere aktiv.** Also ändert sich nichts.
training-not-enough =
    { $rounds ->
        [one] **Ob die neue Version besser ist, lässt sich nicht sagen:** Nur { $rounds } Runde hat Bewertungen zum Vergleichen. Also ändert sich nichts.
       *[other] **Ob die neue Version besser ist, lässt sich nicht sagen:** Nur { $rounds } Runden haben Bewertungen zum Vergleichen. Also ändert sich nichts.
    }
training-nothing-learned = **Das Training hat nichts gelernt, was das Modell besser macht;** es gibt keine neue Version, und nichts ändert sich. Mit mehr Bewertungen kann es gelingen.
training-failed = **Es ist mehrmals gescheitert und wurde aufgegeben.** Wer diesen Bot betreibt, findet den Grund im Protokoll.
training-no-data = **Es endete: Es ist nicht genug übrig, woraus zu lernen wäre,** oder das Training wurde ausgeschaltet.
training-cancelled-by = **Abgebrochen von { $who }.** Nichts ändert sich.
training-compared = In { $rounds } Runden, die sie nicht kannte, sagt die neue Version in { $new } % der Fälle, welcher von zwei Aussagen ein Mitglied mehr zustimmt, die aktive in { $active } %. Der Gewinn liegt zwischen { $low } und { $high } Punkten (90-%-Intervall).
training-compared-loss = In { $rounds } Runden, die sie nicht kannte, kosten Aussagen, die die Gruppe gut fand, die neue Version { $new } Nats je Token, die aktive { $active }; weniger ist besser. Der Gewinn liegt zwischen { $low } und { $high } (90-%-Intervall).
training-cancelled = Das Training ist abgebrochen.
training-is-over = Das Training ist schon vorbei.
retrain-title = **Neu trainieren: { $model }?**
retrain-takes = Es dauert etwa { $time } und braucht bis zu { $mib } MiB Speicher auf dem Rechner derer, die diesen Bot betreiben, mit niedriger Priorität; es pausiert, solange Vorschläge entworfen werden.
retrain-gate = Die Version wird nur aktiv, wenn sie deutlich besser ist als die aktive, in Runden, die sie nicht kennt; davon gibt es { $fresh }.
retrain-policy = **Vor dem ersten Mal:** Discords Developer Policy schränkt ein, Modelle mit Nachrichten zu trainieren, die über seine API kamen. Accord trainiert mit dem, was Mitglieder in sein eigenes Formular geschrieben und wie sie bewertet haben, und nur, wenn sie einverstanden waren. Ob das erlaubt ist, entscheidet, wer diesen Bot betreibt.
retrain-begins = Das Training { $number } ist vorgemerkt. Eine Nachricht in diesem Kanal sagt, wie weit es ist.
retrain-left = Es wird nichts trainiert.
retrain-not-allowed = Wer diesen Bot betreibt, lässt diesen Server seine Modelle nicht neu trainieren.
retrain-cannot = Das Modell, das dieser Bot verwendet, kann nicht trainiert werden: Das geht nur mit lokalen GGUF-Dateien.
retrain-under-way = Das Training { $number } dieses Modells läuft. `/model status` sagt, wie weit es ist.
retrain-too-soon = Dieses Modell kann am { $when } wieder trainiert werden.
retrain-turned-off = Das Training ist ausgeschaltet. `/settings set` schaltet es ein; dann wird jedes Mitglied gefragt, ob es einverstanden ist.
retrain-too-few =
    { $rounds ->
        [one] { $rounds } Runde kann zeigen, ob eine neue Version besser ist;
       *[other] { $rounds } Runden können zeigen, ob eine neue Version besser ist;
    } { $missing ->
        [one] { $missing } mehr ist nötig.
       *[other] { $missing } mehr sind nötig.
    }
model-status-title = **Die Modelle dieses Servers**
model-own = Aktiv: **{ $version }**, die eigene dieses Servers
model-of-host = Aktiv: **{ $version }**, die des Betriebs
model-card = Trainiert mit: { $description }. Geprüfte Sprachen: { $languages }.
model-no-languages = keine genannt
model-usable = Zum Lernen: { $ratings ->
    [one] { $ratings } Bewertung
   *[other] { $ratings } Bewertungen
  } in { $rounds ->
    [one] { $rounds } Runde,
   *[other] { $rounds } Runden,
  } { $new } mehr, als die letzte Version hatte. { $fresh ->
    [one] { $fresh } Runde, die die aktive Version nicht kennt, kann
   *[other] { $fresh } Runden, die die aktive Version nicht kennt, können
  } zeigen, ob eine neue besser ist.
model-unusable = Nicht brauchbar: { $why }.
unusable-without =
    { $rounds ->
        [one] { $rounds } Runde, die bei ausgeschaltetem Training eröffnet wurde
       *[other] { $rounds } Runden, die bei ausgeschaltetem Training eröffnet wurden
    }
unusable-agreed =
    { $rounds ->
        [one] { $rounds } Runde mit weniger als drei Teilnehmenden, die mit dem Training einverstanden sind
       *[other] { $rounds } Runden mit weniger als drei Teilnehmenden, die mit dem Training einverstanden sind
    }
unusable-deleted =
    { $rounds ->
        [one] { $rounds } Runde, deren Meinungen gelöscht sind
       *[other] { $rounds } Runden, deren Meinungen gelöscht sind
    }
unusable-ratings =
    { $rounds ->
        [one] { $rounds } Runde mit zu wenigen Bewertungen
       *[other] { $rounds } Runden mit zu wenigen Bewertungen
    }
model-nothing-new = Seit dem letzten Training gibt es nichts Neues.
model-worth-it = Ein neues Training ist einen Versuch wert und dauert etwa { $time }: `/model retrain`.
status-under-way = Im Gang
status-training = Training { $number } ({ $model }): { $state }
rolled-back = { $model }: Aktiv ist wieder { $to }; vorher war es { $from }.
rollback-nothing = Es gibt keine Version, zu der es zurückgehen könnte: Die des Betriebs ist aktiv.
report-arms = Experimentrunden
report-arms-models = Mit dem Generator { $generator } und dem Bewertungsmodell { $rewardmodel }:
report-arms-base = Das Grundmodell ist aktiv: accord ist also der beste seiner Entwürfe und zero-shot einer davon.
report-arms-others = { $rounds ->
    [one] { $rounds } Runde mit anderen Modellen ist nicht gezählt.
   *[other] { $rounds } Runden mit anderen Modellen sind nicht gezählt.
  }
report-arm-mean = { $ours } gegen { $theirs }, nach dem Mittelwert: { $figures }
report-arm-minimum = { $ours } gegen { $theirs }, nach der niedrigsten Bewertung: { $figures }
report-arm-figures = gewann { $wins } von { $decided } ({ $share } %, 95-%-Intervall { $low }–{ $high } %){ $ties ->
    [0] {""}
   *[other] , { $ties } unentschieden
  }
report-arm-ties = { $ties } unentschieden, also lässt sich nichts sagen
report-title = **Die Versionen: { $model }**
report-verdicts = Als sie trainiert wurden
report-better = { $version }: besser als die damals aktive
report-not-better = { $version }: nicht besser als die damals aktive
report-data = Woraus sie gelernt haben
report-version-data = { $version }: { $ratings ->
    [one] { $ratings } Bewertung
   *[other] { $ratings } Bewertungen
  } in { $rounds ->
    [one] { $rounds } Runde;
   *[other] { $rounds } Runden;
  } { $weighted ->
    [one] { $weighted } Mitglied zählt weniger, weil es
   *[other] { $weighted } Mitglieder zählen weniger, weil sie
  } dieselbe Aussage beim zweiten Mal anders bewertet { $weighted ->
    [one] hat
   *[other] haben
  }{ $erased ->
    [0] .
    [one] . **Sie enthält noch die Daten von { $erased } Mitglied, das sie seither zurückgenommen hat.**
   *[other] . **Sie enthält noch die Daten von { $erased } Mitgliedern, die sie seither zurückgenommen haben.**
  }
report-damaged = { $version } ist beschädigt und kann nicht verwendet werden.
report-reward-note = Wie oft die Reihenfolge zweier Bewertungen vorhergesagt wird, in Runden, die die Version nicht kennt: von zwei Aussagen durch ein Mitglied, und von einer Aussage durch zwei Mitglieder; der Fehler ist der der Eichung, in Bewertungspunkten. „länger“ und „gleich“ brauchen kein Modell: die längere Aussage, und die, deren Wörter der Meinung näher sind.
report-generator-note = Die Kreuzentropie je Token von Aussagen, die als gut galten und die die Version nicht kennt; weniger ist besser.
table-version = Version
table-within = in sich
table-between = zwischen
table-error = Fehler
table-longer = länger
table-overlap = gleich
table-loss = Verlust
table-loss-of-base = untrainiert
table-active = { $version }*
chart-within = zwei Aussagen
chart-between = zwei Mitglieder
chart-baseline = ohne Modell
chart-chance = Zufall
chart-active = aktiv
chart-version-note = { $rounds } Runden
chart-version-told = { $version }: { $within } % bei einem Mitglied, { $between } % zwischen Mitgliedern.

## Commands and replies

command-round = Eine Aussage finden, der diese Gemeinschaft zustimmen kann
command-round-open = Eine Frage stellen, vertraulich Meinungen sammeln und eine Aussage finden
    .question = Was die Gemeinschaft entscheiden soll, als eine Frage
    .background = Was alle wissen sollten, bevor sie antworten
    .opinions_for = Wie lange Meinungen geschrieben werden können, etwa 24h oder 2d
    .ratings_for = Wie lange Vorschläge bewertet werden können, etwa 24h oder 2d
    .welfare = Wie aus Bewertungen eine Reihenfolge wird; sonst wie beim Betrieb eingestellt, meist der Mittelwert
    .posted = Wie viele Vorschläge zum Bewerten veröffentlicht werden, 3 bis 6
    .minimum = Wie viele Meinungen nötig sind
    .rating = Mit Reaktionen, die alle sehen können, oder vertraulich
    .revisions = Wie oft jene die beste Aussage überarbeiten, die nicht zustimmen, 0 bis 2
    .notify = Eine Rolle, die zweimal erwähnt wird: jetzt, und wenn die Bewertung beginnt
    .experiment = Vorschläge verschieden schreiben lassen, ohne Kennzeichen, um zu sehen, was besser gefällt
command-round-status = Wie der Stand einer Runde ist
    .round = Welche Runde, wenn es nicht die hier ist
command-round-extend = Einer Phase mehr Zeit geben
    .by = Wie viel länger, etwa 12h
    .round = Welche Runde, wenn es nicht die hier ist
command-round-close = Eine Phase früher beenden; bei der Bewertung wird es vorher angekündigt
    .round = Welche Runde, wenn es nicht die hier ist
command-round-review = Vorschläge ansehen, bevor sie veröffentlicht werden, oder gemeldete ansehen
    .round = Welche Runde, wenn es nicht die hier ist
command-round-cancel = Eine Runde ohne Ergebnis beenden
    .round = Welche Runde, wenn es nicht die hier ist
command-round-result = Ein Ergebnis zeigen, und wie es gewählt wurde
    .round = Welche Runde, wenn es nicht die letzte hier ist
command-round-answer = Öffentlich sagen, was aus einem Ergebnis wird
    .verdict = Ob die Gemeinschaft der Aussage folgt
    .reasons = Warum
    .round = Welche Runde, wenn es nicht die letzte hier ist
command-round-list = Die Runden dieses Servers
command-round-export = Die Aussagen einer Runde und wie oft jede Bewertung gegeben wurde, als Datei
    .format = Eine Datei für Programme (json, die Vorgabe) oder eine Seite für den Browser mit Diagramm (html)
    .round = Welche Runde, wenn es nicht die letzte hier ist
command-opinion = Deine Meinung vertraulich schreiben oder ändern
    .round = Welche Runde, wenn hier mehrere offen sind
command-settings = Was für alle Runden dieses Servers gilt
command-settings-show = Die Einstellungen zeigen
command-settings-set = Einstellungen ändern
    .add_organiser = Eine Rolle, deren Mitglieder Runden leiten dürfen
    .remove_organiser = Eine Rolle, deren Mitglieder keine Runden mehr leiten dürfen
    .threads = Ob eine Runde einen eigenen Thread bekommt
    .minimum = Wie viele Meinungen eine Runde braucht
    .rating = Mit Reaktionen, die alle sehen können, oder vertraulich
    .opinions_for = Wie lange Meinungen geschrieben werden können, etwa 24h
    .ratings_for = Wie lange Vorschläge bewertet werden können, etwa 24h
    .training = Ob mit Einverständnis Modelle trainiert werden: eigene, oder auch die anderer, die teilen
    .participants = Wer in Runden, die ab jetzt eröffnet werden, eine Meinung schreiben darf
    .member_days = Wie viele Tage sie beim Eröffnen der Runde schon Mitglied sein müssen; 0 bis 365
    .participant_role = Die Rolle, die sie haben müssen
    .review = Ob die Leitung Vorschläge vor dem Veröffentlichen ansieht, ohne zu sehen, von wem was ist
    .language = Die Sprache, in der Accord hier öffentlich schreibt, in Runden, die ab jetzt eröffnet werden
command-privacy = Was Accord über dich behält
command-privacy-what = Was behalten wird, wie lange, und wer es sehen kann
command-privacy-export = Alles, was über dich behalten wird, als Datei
command-privacy-erase = Alles löschen, was auf diesem Server über dich behalten wird
command-privacy-training = Ob mit deinen Meinungen und Bewertungen Modelle trainiert werden, und es ändern
command-model = Die Modelle dieses Servers, und sie neu trainieren
command-model-status = Welche Versionen aktiv sind, was sich lernen ließe und was im Gang ist
command-model-retrain = Eine Version mit den Bewertungen dieses Servers trainieren
    .what = Welches Modell: das Bewertungen vorhersagt, oder das Vorschläge schreibt
command-model-report = Wie gut die Versionen sind, und woraus sie gelernt haben
    .what = Welches Modell: das Bewertungen vorhersagt, oder das Vorschläge schreibt
command-model-rollback = Zurück zur Version, die vorher aktiv war
    .what = Welches Modell: das Bewertungen vorhersagt, oder das Vorschläge schreibt
command-help = Was Accord tut, und was du tun kannst
choice-utilitarian = utilitaristisch
choice-nash = Nash
choice-rawlsian = Rawls
choice-schulze = Schulze
choice-reactions = Reaktionen
choice-private = vertraulich
choice-adopted = angenommen
choice-partly = teilweise
choice-rejected = abgelehnt
choice-json = json
choice-html = html
choice-off = aus
choice-own = eigene
choice-shared = geteilt
choice-everyone = alle
choice-members-before = schon-Mitglied
choice-role = Rolle
choice-reward = Bewertungsmodell
choice-generator = Generator

went-wrong = Bei Accord ist etwas schiefgegangen. Es ist vermerkt; bitte versuch es in einer Minute noch einmal.
only-in-servers = Accord funktioniert nur auf Servern.
old-button = Dieser Knopf tut nichts mehr. Nimm die neueste Nachricht der Runde, oder /opinion.
not-an-organiser = Das kann nur die Leitung: Mitglieder mit einer Rolle aus /settings, oder, wo keine festgelegt ist, mit der Berechtigung „Nachrichten verwalten“.
needs-manage-server = Dafür ist die Berechtigung „Server verwalten“ nötig.
no-such-round = Eine Runde { $round } gibt es hier nicht. /round list zeigt alle.
no-round-here = In diesem Kanal gibt es keine solche Runde. Nenne eine mit der Option round; /round list zeigt alle.
which-round = Hier sind mehrere Runden offen. Nenne eine mit der Option round.
bad-duration = „{ $given }“ kann ich nicht als Dauer von einer Minute bis 30 Tagen lesen. Schreib sie als 24h, 90m oder 2d.
bad-language = „{ $given }“ ist keine Sprache, die ich spreche. Wähle eine aus der Liste.
cannot-notify = Ich darf diese Rolle nicht erwähnen. Erlaube allen, sie zu erwähnen, oder gib mir die Berechtigung, alle Rollen zu erwähnen; @everyone kann nicht erwähnt werden.
experiment-alone = Ein Experiment veröffentlicht einen Vorschlag je Art, sie zu schreiben, und wird nicht überarbeitet: Lass die Optionen posted und revisions weg.
missing-permissions = Mir fehlen Berechtigungen in { $channel }: { $permissions }. Wer den Kanal verwaltet, kann sie mir geben; dann versuch es noch einmal.

round-opened = Runde { $round } ist offen. Ihre Karte erscheint gleich in diesem Kanal.
round-opened-review = Ihre Vorschläge werden veröffentlicht, sobald jemand aus der Leitung sie angesehen hat: /round review.
round-opened-untested = Die Frage scheint in einer Sprache gestellt zu sein, in der die Modelle nicht geprüft sind: { $language } (geprüft: { $tested }). Sie können schlechter schreiben und vorhersagen. Darum entscheiden in dieser Runde nur echte Bewertungen; Vorhersagen wählen nur aus, was veröffentlicht wird.
round-cancelled = Die Runde ist ohne Ergebnis beendet. Alle können ihre Meinung über die Karte zurückbekommen.
phase-extended = Offen bis { $closes }.
rating-closes-early = Die Bewertung endet jetzt { $closes }; das wird angekündigt.
drafting-begins = Die Vorschläge werden jetzt entworfen.
busy-drafting = Vorschläge werden gerade entworfen oder veröffentlicht: Es gibt jetzt keine Frist zu verlegen. /round status sagt, wie weit es ist.
under-review = Vorschläge warten darauf, dass die Leitung sie ansieht: Es gibt jetzt keine Frist zu verlegen. /round review zeigt sie.
below-minimum = { $opinions ->
    [one] Bisher eine Meinung
   *[other] Bisher { $opinions } Meinungen
  }, { $minimum } sind nötig. Verlängere die Runde, oder brich sie ab.
closes-already = Es endet schon { $closes }.
phase-too-long = Eine Phase kann höchstens { $days } Tage dauern.
round-over = Diese Runde ist vorbei.
answer-saved = Deine Antwort steht jetzt unter dem Ergebnis.
round-exported = Die Aussagen, ihre Wohlfahrt und wie oft jede Bewertung gegeben wurde. Meinungen sind nicht enthalten, und nichts verrät, wer was bewertet hat.
round-exported-page = Das Ergebnis als Seite, die jeder Browser zeigt, auch ohne Internet. Meinungen sind nicht enthalten, und nichts verrät, wer was bewertet hat.
organisers-by-permission = wer Nachrichten verwalten darf
rating-by-reactions = mit Reaktionen, die alle sehen können
rating-in-private = vertraulich
with-review = Vorschläge werden veröffentlicht, sobald die Leitung sie angesehen hat
without-review = Vorschläge werden veröffentlicht, sobald sie geschrieben sind
with-threads = jede Runde hat einen Thread, wo der Kanal Threads hat
without-threads = Runden bleiben im Kanal
training-off = aus, mit dem, was Mitglieder schreiben und bewerten, werden keine Modelle trainiert
training-own = mit den Meinungen und Bewertungen der Mitglieder, die einverstanden sind, werden die Modelle dieses Servers trainiert
training-shared = mit den Meinungen und Bewertungen der Mitglieder, die einverstanden sind, werden die Modelle dieses Servers trainiert und die anderer Server dieses Bots, die auch teilen
language-of-guild = { $language } (keine gewählt: die des Servers in Discord, sonst Englisch)
length-days =
    { $days ->
        [one] { $days } Tag
       *[other] { $days } Tage
    }
length-hours =
    { $hours ->
        [one] { $hours } Stunde
       *[other] { $hours } Stunden
    }
length-minutes =
    { $minutes ->
        [one] { $minutes } Minute
       *[other] { $minutes } Minuten
    }
settings-shown = Leitung: { $organisers }
    Bewertung: { $rating }
    Threads: { $threads }
    Nötige Meinungen: { $minimum }
    Dauer, wenn /round open nichts anderes sagt: Meinungen { $opinions }, Bewertung { $ratings }
    Training: { $training }
    Teilnahme: { $participants }
    Durchsicht: { $review }
    Sprache: { $language }

too-many-open-rounds = Hier sind { $rounds } Runden offen, und mehr erlaubt der Betrieb keinem Server. Beende erst eine.
too-many-rounds-today = Hier wurden innerhalb eines Tages { $rounds } Runden eröffnet, und mehr erlaubt der Betrieb keinem Server. Versuch es später noch einmal.
participants-everyone = Alle hier dürfen eine Meinung schreiben.
participants-members =
    { $days ->
        [0] Wer schon Mitglied dieses Servers war, bevor die Runde eröffnet wurde, darf eine Meinung schreiben.
        [one] Wer seit einem Tag Mitglied dieses Servers war, als die Runde eröffnet wurde, darf eine Meinung schreiben.
       *[other] Wer seit { $days } Tagen Mitglied dieses Servers war, als die Runde eröffnet wurde, darf eine Meinung schreiben.
    }
participants-role = Wer die Rolle { $role } hat, darf eine Meinung schreiben.
participants-role-missing = Nenne auch die Rolle, mit participant_role.
participants-conflict = Das passt nicht zusammen: Wähle alle, oder eine Zahl von Tagen, oder eine Rolle.

too-often =
    { $seconds ->
        [one] Das war viel in einer Minute. In einer Sekunde geht es weiter.
       *[other] Das war viel in einer Minute. In { $seconds } Sekunden geht es weiter.
    }
no-opinion-to-withdraw = Du hast in dieser Runde keine Meinung.
opinions-closed = Meinungen werden nicht mehr angenommen: Deine bleibt, wie sie ist.
candidate-withdrawn = Dieser Vorschlag kann nicht mehr bewertet werden.
critique-saved = Notiert. Deine Kritik wird ohne deinen Namen für eine Überarbeitung verwendet, wenn es eine gibt.
critique-not-asked = Was sie ändern würden, werden nur Teilnehmende gefragt, die einen Vorschlag mit 3 oder weniger bewertet haben.
critique-too-long = Eine Kritik hat höchstens { $characters } Zeichen. Hier ist dein Text, damit nichts verloren geht:
no-revision = Diese Runde wird nicht überarbeitet.
reported = Die Leitung sieht, dass dieser Vorschlag gemeldet wurde, und nicht, von wem.
help-member = Accord hilft einer Gemeinschaft, eine Aussage zu finden, der sie zustimmen kann.
    1. Die Leitung stellt eine Frage. Du schreibst deine Meinung mit dem Knopf auf der Karte oder mit /opinion; sonst kann sie hier niemand lesen.
    2. Ein Sprachmodell entwirft Aussagen aus allen Meinungen, und die aussichtsreichsten werden veröffentlicht.
    3. Du bewertest, wie sehr du zustimmst, von 1 (gar nicht) bis 7 (voll).
    4. Die Aussage, die für die ganze Gruppe die beste ist, wird veröffentlicht, mit der Angabe, wie viele zustimmen und wie viele nicht.
    /round status sagt, wie der Stand einer Runde ist, /privacy, was über dich behalten wird und wie du es löschst.
help-organiser = Du kannst Runden leiten: /round open stellt eine Frage, /round extend, /round close und /round cancel ändern ihren Lauf, /round review zeigt Vorschläge vor dem Veröffentlichen, wo /settings es so will, und was Mitglieder melden, /round answer sagt, was aus dem Ergebnis wird. /settings ist für alle, die den Server verwalten.
privacy-what = Was über dich behalten wird: deine Meinungen, Kritiken und Bewertungen und die für dich vorhergesagten, unter deiner Discord-ID, nur in den Runden dieses Servers. Mit Meinungen und Kritiken werden ohne deinen Namen Aussagen entworfen und geordnet; Mitglieder und Moderation können sie hier nicht lesen, wer diesen Bot betreibt, kann es technisch. Sie werden { $days ->
    [one] einen Tag
   *[other] { $days } Tage
  } nach dem Ergebnis gelöscht, die einer abgebrochenen Runde spätestens nach einer Woche, auch in den Sicherungen des Bots; was du selbst änderst oder zurückziehst, bleibt in diesen { $snapshots ->
    [one] noch einen Tag
   *[other] noch bis zu { $snapshots } Tage
  }. Bist du mit dem Training einverstanden (/privacy training), werden Meinungen dafür länger behalten, und wer diesen Bot betreibt, darf Meinungen und Bewertungen unter Pseudonymen der Forschung geben. Bewertungen durch Reaktionen können alle sehen, vertrauliche niemand. /privacy export gibt dir alles, /privacy erase löscht es sofort, auch in den Sicherungen. Veröffentlichte Aussagen bleiben.
privacy-export = { $rounds ->
    [0] In den Runden dieses Servers ist über dich nichts gespeichert.
    [one] Was in einer Runde über dich gespeichert ist.
   *[other] Was in { $rounds } Runden über dich gespeichert ist.
  }
privacy-export-training = Darin steht auch, ob du mit dem Training einverstanden bist.
privacy-versions = Versionen der Modelle dieses Servers, die von dir gelernt haben, bleiben, wie sie sind: { $versions }. Die nächsten werden ohne dich trainiert.
privacy-versions-elsewhere =
    { $versions ->
        [one] Eine Version eines Modells eines anderen Servers, mit dem dieser geteilt hat, hat von dir gelernt und bleibt.
       *[other] { $versions } Versionen von Modellen anderer Server, mit denen dieser geteilt hat, haben von dir gelernt und bleiben.
    }
privacy-erased = { $rounds ->
    [0] In den Runden dieses Servers war über dich nichts gespeichert.
    [one] Alles über dich in einer Runde ist gelöscht.
   *[other] Alles über dich in { $rounds } Runden ist gelöscht.
  } Gelöscht ist es auch dort, womit Modelle trainiert werden, und in den Sicherungen dieses Bots. Was bleibt: veröffentlichte Aussagen, Ergebnisse, wie sie gezählt wurden, und Fragen und Antworten, die du in der Leitung veröffentlicht hast, ohne deinen Namen; was andere vorher heruntergeladen oder bekommen haben, und Kopien, die der Betrieb dieses Bots anderswo gemacht hat; und deine Reaktionen, die Discord gehören. Entferne sie dort: Wo die Bewertung noch offen ist, werden sie wieder gelesen und gespeichert.
privacy-erased-just-now = Du hast vor ein paar Minuten alles über dich auf diesem Server löschen lassen. Ab { $when } geht es wieder; bis dahin kannst du eine seither geschriebene Meinung mit dem Knopf darunter zurückziehen.
