# Was die Skripte von sich aus sagen (src/web/page.rs, SCRIPT_WORDS); zusammen höchstens 3 KB.
js-undo = Rückgängig
js-retry = Nochmals versuchen
js-failed = Das hat nicht geklappt.
