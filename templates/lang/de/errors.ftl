# Was gesagt wird, wenn etwas nicht geht: was geschah und was zu tun ist.

error-title = Das ging nicht
error-id = Kennung für Ihren Administrator: { $id }
error-home = Zum Postfach
error-sign-in = Bitte melden Sie sich an.
error-first-password = Bitte wählen Sie zuerst ein eigenes Passwort.
error-forbidden = Diese Seite war zu alt oder kam von anderswo. Laden Sie sie neu und versuchen Sie es noch einmal.
error-bad-request = Die Anfrage war nicht zu verstehen. Laden Sie die Seite neu.
error-nothing-selected = Es ist nichts ausgewählt.
error-too-many-rows = So viele einzelne Nachrichten auf einmal gehen nicht. Wählen Sie „Alle“.
error-too-large = Das ist größer als erlaubt.
error-no-folder = Diesen Ordner gibt es nicht mehr.
error-no-message = Diese Nachricht gibt es hier nicht mehr. Sie wurde verschoben oder gelöscht.
error-not-found = Das gibt es nicht oder nicht mehr.
error-exists = Das gibt es schon.
error-stale = Inzwischen hat sich etwas geändert. Laden Sie die Seite neu und versuchen Sie es noch einmal.
error-invalid = Diese Angabe ist so nicht möglich.
error-not-allowed = Dazu fehlt Ihnen das Recht.
error-too-many = Das war zu oft in kurzer Zeit. Versuchen Sie es später wieder.
error-storage-full = Der Speicher dieses Servers ist voll. Es wurde nichts geändert; der Betreiber weiß davon.
error-unavailable = Der Server ist gerade nicht bereit. Es ist nichts verloren; versuchen Sie es gleich noch einmal.
error-internal = Das hat nicht geklappt. Versuchen Sie es noch einmal.
error-folder-name-empty = Bitte geben Sie einen Namen ein.
error-folder-name-long = Dieser Name ist zu lang.
error-folder-name-characters = Im Namen darf kein „/“ stehen, und „INBOX“ ist vergeben.
error-folder-exists = Einen Ordner mit diesem Namen gibt es dort schon.
error-folder-many = Mehr Ordner gehen nicht.
