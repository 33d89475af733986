# Einstellungen.

set-account = Konto und Absender
set-security = Passwort und Sicherheit
set-language = Sprache und Region
set-display = Darstellung
set-mail = Lesen und Schreiben
set-signatures = Signaturen
set-storage = Speicherplatz
set-search = Einstellungen suchen
set-search-none = Nichts gefunden.
set-topics-account = Name, Adressen, Aliase
set-topics-security = Passwort ändern, Passwort erzeugen, Sitzungen, Anmeldungen
set-topics-language = Sprache, Zeitzone, Uhrzeit
set-topics-display = Hell, Dunkel, Dichte, Lesebereich, Schrift, Tastenkürzel
set-topics-mail = Gelesen markieren, externe Bilder, Senden rückgängig, Anhang vergessen, Adressen sammeln
set-topics-signatures = Signatur, Unterschrift
set-topics-storage = Speicherplatz, Kontingent, große Nachrichten, Ordner

set-name = Name
set-name-text = So sehen Empfänger Ihren Namen.
set-addresses = Ihre Adressen
set-addresses-text = Nachrichten an diese Adressen kommen in diesem Postfach an. Ihr Domänen-Administrator verwaltet sie.
time-zone = Zeitzone
time-zone-now = Dort ist es jetzt { $time }.
density = Dichte der Liste
density-komfortabel = Komfortabel
density-normal = Normal
density-kompakt = Kompakt
reader-place = Lesebereich
reader-right = Rechts
reader-below = Unten
reader-off = Ohne
font = Schrift
font-system = Systemschrift
keys-on = An
keys-lists = Nur in Listen
keys-off = Aus
set-reading = Lesen
set-writing = Schreiben
mark-when = Als gelesen markieren
mark-at-once = Sofort beim Öffnen
mark-after-seconds =
    { $n ->
        [one] Nach einer Sekunde
       *[other] Nach { $n } Sekunden
    }
mark-never = Nie von selbst
after-what = Nach dem Archivieren oder Löschen
after-older = Ältere Nachricht öffnen
after-newer = Neuere Nachricht öffnen
after-list = Zurück zur Liste
pictures-remote = Externe Bilder
pictures-ask = Jedes Mal fragen
pictures-never = Nie laden
pictures-known = Von bekannten Absendern laden
pictures-text = Bilder laden immer über diesen Server; der Absender erfährt Ihre Adresse nicht.
picture-senders = Absender, deren Bilder geladen werden
picture-senders-text = Sie haben zugestimmt, dass Bilder dieser Absender ohne Nachfrage geladen werden.
picture-senders-none = Noch niemand. Wählen Sie in einer Nachricht „Von … immer“.
undo-send = Senden rückgängig machen
seconds =
    { $n ->
        [one] 1 Sekunde
       *[other] { $n } Sekunden
    }
attachment-reminder = Erinnern, wenn ein erwähnter Anhang fehlt
collect-addresses = Adressen merken, an die ich schreibe
signatures-text = Die erste Signatur steht unter neuen Nachrichten.
signature-new = Neue Signatur
signature-text = Text
signature-delete-ask = Diese Signatur löschen?
storage-largest = Größte Ordner
storage-largest-text = Leeren Sie zuerst Papierkorb und Spam.
storage-find-large = Große Nachrichten finden

security-text = Ihr Passwort gilt für Webmail, E-Mail-Programme und Mobilgeräte.
password-change = Passwort ändern
password-changed-on = Zuletzt geändert am { $date }.
password-change-text = Nach dem Wechsel melden wir alle anderen Sitzungen ab.
password-old = Aktuelles Passwort
password-kind = Art
password-words = Wörter
password-characters-kind = Zeichen
password-changed = Passwort geändert. Alle anderen Sitzungen sind abgemeldet.
strength-3 = Stark.
strength-4 = Sehr stark.
sessions = Aktive Sitzungen
session-this = Diese Sitzung
session-seen = zuletzt { $time }
sessions-end-others = Alle anderen Sitzungen abmelden
login-history = Letzte Anmeldungen
login-history-text = Erkennen Sie eine nicht? Ändern Sie Ihr Passwort.
login-ok = Angemeldet
login-failed = Fehlversuch
login-was-locked = Gesperrt
