# Anmelden, Abmelden, erstes Passwort.

login-address = E-Mail-Adresse
login-stay = Auf diesem Gerät angemeldet bleiben
login-forgotten = Passwort vergessen? Ihr Domänen-Administrator setzt es zurück.
login-wrong = Benutzername oder Passwort stimmt nicht.
login-tries-left =
    { $n ->
        [one] Nach einem weiteren Fehlversuch wird der Zugang für 60 Minuten gesperrt.
       *[other] Nach { $n } weiteren Fehlversuchen wird der Zugang für 60 Minuten gesperrt.
    }
login-locked =
    { $n ->
        [one] Zu viele Fehlversuche. Bitte versuchen Sie es in einer Minute wieder.
       *[other] Zu viele Fehlversuche. Bitte versuchen Sie es in { $n } Minuten wieder.
    }
login-later = Gerade melden sich sehr viele an. Bitte versuchen Sie es in einigen Sekunden noch einmal.
login-disabled = Dieser Zugang ist abgeschaltet. Ihr Domänen-Administrator weiß mehr.
login-code = Code
login-code-text = Geben Sie den sechsstelligen Code aus Ihrer App ein, oder einen Ihrer Notfallcodes.
login-code-wrong = Dieser Code stimmt nicht oder ist abgelaufen.
first-title = Eigenes Passwort wählen
first-text = Sie sind mit dem Startpasswort für { $address } angemeldet. Wählen Sie jetzt ein Passwort, das nur Sie kennen.
first-suggestion = Vorschlag, gut zu merken:
password-new = Neues Passwort
password-again = Neues Passwort wiederholen
password-save = Passwort speichern
password-another = Anderer Vorschlag
password-rules = Mindestens 10 Zeichen, kein bekanntes Passwort. Mehrere Wörter sind besser als Sonderzeichen.
password-bits = etwa { $n } Bit
error-password-again = Die beiden neuen Passwörter sind nicht gleich.
