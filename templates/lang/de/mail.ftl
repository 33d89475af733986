# Postfach: Liste, Leser, Ordner.

count-hidden = { $n } weitere
list-to = An: { $names }
list-no-recipient = (kein Empfänger)
list-no-sender = (kein Absender)
draft-mark = Entwurf
important = Wichtig
unread-word = ungelesen
select = Auswählen
select-none = Auswahl aufheben
pages = Seiten
filters = Filter
filter-unread = Ungelesen
filter-starred = Markiert
filter-attachment = Mit Anhang
filter-to-me = An mich
sort = Sortieren
sort-newest = Neueste zuerst
sort-oldest = Älteste zuerst
sort-sender = Nach Absender
sort-subject = Nach Betreff
sort-size = Nach Größe
sort-starred = Markierte zuerst
filter-lift = Filter aufheben
not-junk = Kein Spam
mark-junk = Als Spam
mark-answered = Beantwortet
mark-forwarded = Weitergeleitet
purge-ask = Endgültig löschen? Unter „Wiederherstellen“ bleibt es noch 30 Tage.
empty-inbox = Alles erledigt.
empty-unread = Keine ungelesenen Nachrichten.
empty-filter = Nichts passt zu diesem Filter.
empty-starred = Nichts ist markiert.
empty-trash = Der Papierkorb ist leer.
empty-junk = Kein Spam.

# Leser
reader = Nachricht
reader-empty = Wählen Sie eine Nachricht aus.
reader-me = mich
reader-to = an { $names }
reader-and-more = { $n } weitere
reader-older = { $n } ältere Nachrichten
reader-newer = Neuere Unterhaltung
reader-older-one = Ältere Unterhaltung
reader-body-of = Nachrichtentext von { $name }
reply-to = Antwort an
edit-draft = Weiterschreiben
details-show = Details anzeigen
show-dark = Dunkel anzeigen
message-headers = Kopfzeilen
message-source = Quelltext
message-save = Als Datei speichern
pictures-blocked = Externe Bilder wurden nicht geladen.
pictures-always = Von { $name } immer
pictures-show = Externe Bilder anzeigen
trackers = Zählpixel
trackers-removed =
    { $n ->
        [one] Ein Zählpixel wurde entfernt.
       *[other] { $n } Zählpixel wurden entfernt.
    }
body-suspicious =
    { $n ->
        [one] Ein Link in dieser Nachricht führt woandershin, als sein Text sagt. Er ist gekennzeichnet.
       *[other] { $n } Links in dieser Nachricht führen woandershin, als ihr Text sagt. Sie sind gekennzeichnet.
    }
reply-elsewhere = Der Absender verwendet eine andere Antwortadresse: { $address }
list-mail = Diese Nachricht kam über einen Verteiler.
unsubscribe = Abmelden
attachment-message = Nachricht.eml
attachment-unnamed = Unbenannt
attachment-danger = kann Schaden anrichten
attachment-danger-ask = Dateien dieser Art können Schaden anrichten. Laden Sie sie nur, wenn Sie sie erwartet haben.
attachments-zip = Alle als ZIP
body-too-complex = Diese Nachricht ist zu verschachtelt, um sie wie gestaltet zu zeigen. Sie sehen ihren Text.
body-cut = Die Nachricht ist sehr lang. Hier endet der gezeigte Teil.
body-cut-all = Alles anzeigen
body-empty = Diese Nachricht hat keinen Text.
body-link-warning = führt zu { "{host}" }
body-quote = Frühere Nachrichten anzeigen

# Getan
done-read =
    { $n ->
        [one] Als gelesen markiert
       *[other] { $n } als gelesen markiert
    }
done-unread =
    { $n ->
        [one] Als ungelesen markiert
       *[other] { $n } als ungelesen markiert
    }
done-star =
    { $n ->
        [one] Markiert
       *[other] { $n } markiert
    }
done-unstar =
    { $n ->
        [one] Markierung entfernt
       *[other] { $n } Markierungen entfernt
    }
done-archive =
    { $n ->
        [one] Archiviert
       *[other] { $n } Unterhaltungen archiviert
    }
done-junk =
    { $n ->
        [one] Als Spam verschoben
       *[other] { $n } als Spam verschoben
    }
done-notjunk =
    { $n ->
        [one] In den Posteingang verschoben
       *[other] { $n } in den Posteingang verschoben
    }
done-move =
    { $n ->
        [one] Nach „{ $folder }“ verschoben
       *[other] { $n } nach „{ $folder }“ verschoben
    }
done-delete =
    { $n ->
        [one] In den Papierkorb verschoben
       *[other] { $n } in den Papierkorb verschoben
    }
done-purge =
    { $n ->
        [one] Endgültig gelöscht
       *[other] { $n } endgültig gelöscht
    }
done-undone = Rückgängig gemacht
done-too-late = Das lässt sich nicht mehr rückgängig machen.

# Ordner
folders-manage = Ordner verwalten
folder-new = Neuer Ordner
folder-rename = Umbenennen und verschieben
folder-parent = Unter
folder-top = (oberste Ebene)
folder-delete = Ordner löschen
folder-delete-text =
    { $n ->
        [0] Der Ordner ist leer. Unterordner werden mit gelöscht.
        [one] Eine Nachricht und alle Unterordner kommen in den Papierkorb.
       *[other] { $n } Nachrichten und alle Unterordner kommen in den Papierkorb.
    }
folder-created = Ordner „{ $name }“ angelegt
folder-renamed = Ordner geändert
folder-deleted = Ordner gelöscht, Nachrichten im Papierkorb
folder-empty = Leeren
folder-empty-ask = Alle Nachrichten in diesem Ordner endgültig löschen?
folder-emptied =
    { $n ->
        [one] Eine Nachricht gelöscht
       *[other] { $n } Nachrichten gelöscht
    }

# Suche
search-results = Suche
search-found =
    { $n ->
        [one] 1 Treffer
       *[other] { $n } Treffer
    }
search-more-than = mehr als { $n } Treffer
empty-search = Keine Treffer.
search-everywhere = Auch in Papierkorb und Spam suchen

# Postausgang
outbox-text = Nachrichten, die noch nicht bei allen Empfängern angekommen sind. Es wird fünf Tage lang versucht.
outbox-empty = Alles ist unterwegs.
outbox-held = Wird gesendet: { $time }
outbox-next = Nächster Versuch: { $time }
outbox-leaving = Wird gerade gesendet
outbox-failed = Nicht zugestellt. Eine Nachricht im Posteingang sagt, warum.
outbox-not-to = Nicht zugestellt an: { $names }
outbox-recall = Zurückholen
outbox-now = Jetzt senden
outbox-retry = Erneut senden
outbox-drop = Aufgeben
outbox-drop-ask = Wer die Nachricht noch nicht hat, bekommt sie dann nicht mehr.
outbox-dropped = Die Nachricht wird nicht mehr gesendet.
