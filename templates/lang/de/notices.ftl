# Mails, die das Programm selbst schreibt.

notice-quota-near-subject = Ihr Postfach ist fast voll
notice-quota-near-text =
    Guten Tag,

    Ihr Postfach { $address } ist zu mehr als 90 % belegt: { $used } von { $quota }.

    Wenn es voll ist, werden neue Nachrichten an Sie abgewiesen, und auch Termine, Kontakte und Aufgaben lassen sich nicht mehr speichern. Senden können Sie weiterhin; die Kopie in „Gesendet“ entfällt dann.

    So schaffen Sie Platz: Leeren Sie Papierkorb und Spam, und löschen Sie große Nachrichten. Was wie viel belegt, sehen Sie in den Einstellungen unter „Speicherplatz“. Ihr Domänen-Administrator kann Ihr Kontingent vergrößern.
notice-quota-full-subject = Ihr Postfach ist voll
notice-quota-full-text =
    Guten Tag,

    Ihr Postfach { $address } ist voll: { $used } von { $quota }.

    Neue Nachrichten an Sie werden abgewiesen, bis wieder Platz ist; die Absender erfahren es. Auch Termine, Kontakte und Aufgaben lassen sich nicht mehr speichern. Senden können Sie weiterhin, aber ohne Kopie in „Gesendet“.

    So schaffen Sie Platz: Leeren Sie Papierkorb und Spam, und löschen Sie große Nachrichten. Was wie viel belegt, sehen Sie in den Einstellungen unter „Speicherplatz“. Ihr Domänen-Administrator kann Ihr Kontingent vergrößern.
notice-password-subject = Ihr Passwort wurde geändert
notice-password-text =
    Guten Tag,

    das Passwort Ihres Postfachs { $address } wurde soeben geändert. Alle anderen Anmeldungen wurden beendet; tragen Sie das neue Passwort auf Ihren Geräten und in Ihren Mail-Programmen ein.

    Waren Sie das nicht, wenden Sie sich bitte sofort an Ihren Domänen-Administrator. Wann und von wo sich jemand angemeldet hat, sehen Sie in den Einstellungen unter „Sicherheit“.
notice-password-admin-text =
    Guten Tag,

    die Verwaltung hat für Ihr Postfach { $address } soeben ein neues Startpasswort gesetzt. Alle Anmeldungen wurden beendet; tragen Sie das neue Passwort auf Ihren Geräten und in Ihren Mail-Programmen ein.

    Haben Sie nicht darum gebeten, wenden Sie sich bitte sofort an Ihren Domänen-Administrator. Wann und von wo sich jemand angemeldet hat, sehen Sie in den Einstellungen unter „Sicherheit“.
