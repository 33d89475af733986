# Hilfeseiten und die Seite ohne Verbindung.
help-search = So suchen Sie
help-search-text = Geben Sie Wörter ein; gefunden wird, was alle enthält, in allen Ordnern außer Papierkorb und Spam. Diese Zusätze grenzen ein, deutsch und englisch gleichermaßen:
help-op-from = Absender
help-op-to = Empfänger
help-op-subject = Wörter im Betreff
help-op-attachment = mit Anhang
help-op-unread = noch nicht gelesen
help-op-before = vor diesem Tag
help-op-after = nach diesem Tag
help-op-phrase = genau diese Wortfolge
help-op-not = ohne dieses Wort
help-keys-text = Tasten wirken, solange Sie nicht in einem Feld schreiben. In den Einstellungen lassen sie sich abschalten.
help-key-message = Nächste, vorherige Nachricht der Unterhaltung
help-licences-text = Postamt steht unter der Apache-Lizenz 2.0 und enthält freie Software anderer.
help-licences-browser = Lizenzen der Bestandteile im Browser
offline-title = Keine Verbindung
offline-text = Der Server ist gerade nicht zu erreichen. Prüfen Sie Ihre Internetverbindung. Was Sie geschrieben haben, liegt in diesem Browser.
