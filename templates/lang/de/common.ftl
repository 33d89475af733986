# Wörter, die jede Seite braucht. Ein Schlüssel steht in genau einer Datei; die Fassung daneben hat dieselben.

app-name = Postamt
skip-to-content = Zum Inhalt springen
areas = Bereiche
start-page = Startseite

# Module
module-mail = Mail
module-calendar = Kalender
module-contacts = Kontakte
module-tasks = Aufgaben
module-admin = Domäne
module-settings = Einstellungen
module-settings-short = Einstell.
module-more = Mehr

# Kopfzeile
search = Suchen
search-mail = Suchen in E-Mails, z. B. von:hofmann hat:anhang
search-settings = Einstellungen suchen
help = Hilfe
help-and-keys = Hilfe und Tastenkürzel
refresh = Aktualisieren
account-of = Konto von { $name }
account-menu = Kontomenü
theme = Darstellung
theme-system = System
theme-light = Hell
theme-dark = Dunkel
language = Sprache
language-de = Deutsch
language-en = English
keyboard-shortcuts = Tastenkürzel
sign-in = Anmelden
sign-out = Abmelden
storage = Speicherplatz
quota = Kontingent
quota-used = { $used } von { $limit } belegt
quota-percent = { $percent } % belegt
imprint = Impressum
privacy = Datenschutz
licences = Lizenzen

# Ordner
inbox = Posteingang
drafts = Entwürfe
sent = Gesendet
archive-folder = Archiv
junk = Spam
trash = Papierkorb
outbox = Postausgang
starred = Markiert
snoozed = Zurückgestellt
folder = Ordner
folders = Ordner
label = Schlagwort
labels = Schlagwörter
rule = Regel

# Tätigkeiten
new-message = Neue Nachricht
reply = Antworten
reply-all = Allen antworten
forward = Weiterleiten
redirect = Umleiten
send = Senden
send-later = Später senden
discard = Verwerfen
archive = Archivieren
delete = Löschen
move = Verschieben
mark-read = Als gelesen
mark-unread = Als ungelesen
snooze = Zurückstellen
star = Markieren
unstar = Markierung entfernen
undo = Rückgängig
restore = Wiederherstellen
save = Speichern
cancel = Abbrechen
close = Schließen
back = Zurück
edit = Bearbeiten
add = Hinzufügen
remove = Entfernen
rename = Umbenennen
create = Anlegen
print = Drucken
download = Herunterladen
copy = Kopieren
copied = Kopiert
open = Öffnen
show = Anzeigen
hide = Verbergen
apply = Anwenden
continue = Weiter
confirm = Bestätigen
retry = Nochmals versuchen
select-all = Alle auswählen
more-actions = Weitere Aktionen
share = Freigeben
dismiss = Ausblenden
yes = Ja
no = Nein
on = An
off = Aus
none = Keine
optional = freiwillig
next = Weiter
previous = Zurück
newer = Neuere
older = Ältere

# Nachrichten
message = Nachricht
messages = Nachrichten
conversation = Unterhaltung
to = An
cc = Cc
bcc = Bcc
from = Von
name = Name
subject = Betreff
no-subject = (kein Betreff)
attachment = Anhang
attachments = Anhänge
date = Datum
size = Größe
unread = Ungelesen
me = Ich
count-messages =
    { $n ->
        [one] 1 Nachricht
       *[other] { $n } Nachrichten
    }
count-unread = { $n } ungelesen
count-selected = { $n } ausgewählt

# Zeit
today = Heute
yesterday = Gestern
tomorrow = Morgen
this-week = Diese Woche
last-week = Letzte Woche
future = Später
never = Nie
now = jetzt
minutes =
    { $n ->
        [one] 1 Minute
       *[other] { $n } Minuten
    }
hours =
    { $n ->
        [one] 1 Stunde
       *[other] { $n } Stunden
    }
days =
    { $n ->
        [one] 1 Tag
       *[other] { $n } Tage
    }

# Kalender, Kontakte, Aufgaben (Begriffe)
calendar = Kalender
event = Termin
contacts = Kontakte
tasks = Aufgaben
notes = Notizen

# Einstellungen
settings = Einstellungen
password = Passwort
app-password = App-Passwort
second-factor = Zwei-Faktor-Anmeldung
generate-password = Passwort erzeugen
absence = Abwesenheit
forwarding = Weiterleitung
signature = Signatur
text-block = Textbaustein
domain = Domäne
user = Benutzer
alias = Alias
distribution-list = Verteiler
queue = Warteschlange
log = Protokoll
required-field = Bitte ausfüllen.

# Größen
bytes = { $n } Byte

# Zustände
loading = Wird geladen
failed-action = Das hat nicht geklappt. Nochmals versuchen
saved = Gespeichert
nothing-here = Hier ist noch nichts.
offline = Keine Verbindung. Sie lesen den zuletzt geladenen Stand.
over-quota = Ihr Postfach ist voll. Neue Nachrichten werden abgewiesen, bis Sie Platz schaffen.
over-quota-sending = Ihr Postfach ist voll. Die Nachricht wird gesendet, aber nicht in „Gesendet“ abgelegt.
quota-nearly = Ihr Postfach ist zu { $percent } % voll.
quota-manage = Platz schaffen
caps-lock = Die Feststelltaste ist an.
show-password = Passwort anzeigen
hide-password = Passwort verbergen
no-script-hint = Ohne JavaScript geht alles über Links und Knöpfe; neue Nachrichten sehen Sie nach „Aktualisieren“.
