"""Writes the golden corpus: calendar objects and cards in the manner of real clients, oddities included.

Run by hand when the corpus grows: python3 tests/corpus/make.py
Every object is our own text. One file an object; line ends, folds, byte-order marks and encodings are part of it.
"""
import base64
import os
import random

random.seed(2445)
HERE = os.path.dirname(os.path.abspath(__file__))

TZ_BERLIN = """BEGIN:VTIMEZONE
TZID:Europe/Berlin
BEGIN:DAYLIGHT
TZOFFSETFROM:+0100
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
DTSTART:19810329T020000
TZNAME:CEST
TZOFFSETTO:+0200
END:DAYLIGHT
BEGIN:STANDARD
TZOFFSETFROM:+0200
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
DTSTART:19961027T030000
TZNAME:CET
TZOFFSETTO:+0100
END:STANDARD
END:VTIMEZONE"""

TZ_OUTLOOK = """BEGIN:VTIMEZONE
TZID:W. Europe Standard Time
BEGIN:STANDARD
DTSTART:16010101T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=10
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010101T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=3
END:DAYLIGHT
END:VTIMEZONE"""

TZ_LIGHTNING = """BEGIN:VTIMEZONE
TZID:Europe/Berlin
X-TZINFO:Europe/Berlin[2024a]
BEGIN:DAYLIGHT
TZOFFSETTO:+020000
TZOFFSETFROM:+010000
TZNAME:Europe/Berlin(DST)
DTSTART:20260329T020000
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
END:DAYLIGHT
BEGIN:STANDARD
TZOFFSETTO:+010000
TZOFFSETFROM:+020000
TZNAME:Europe/Berlin(STD)
DTSTART:20261025T030000
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
END:STANDARD
END:VTIMEZONE"""

CLIENTS = {
    "apple": dict(
        prodid="-//Apple Inc.//macOS 14.4//EN", head="CALSCALE:GREGORIAN", zone=TZ_BERLIN, tz="TZID=Europe/Berlin",
        uid=lambda n: f"8B7E1F20-{n:04X}-4C3D-9A10-5E6F7A8B9C0D",
        extra="CREATED:20260102T080000Z\nTRANSP:OPAQUE\nSEQUENCE:1\nX-APPLE-TRAVEL-ADVISORY-BEHAVIOR:AUTOMATIC\n"
              "X-APPLE-STRUCTURED-LOCATION;VALUE=URI;X-APPLE-RADIUS=141.1;X-TITLE=\"Café, Hof 3\":geo:52.520008,13.404954",
        alarm="BEGIN:VALARM\nX-WR-ALARMUID:A1B2\nUID:A1B2\nTRIGGER:-PT15M\nATTACH;VALUE=URI:Chord\nACTION:AUDIO\n"
              "ACKNOWLEDGED:20260101T070000Z\nX-APPLE-DEFAULT-ALARM:TRUE\nEND:VALARM"),
    "google": dict(
        prodid="-//Google Inc//Google Calendar 70.9054//EN", head="CALSCALE:GREGORIAN", zone=TZ_BERLIN, tz="TZID=Europe/Berlin",
        uid=lambda n: f"4r{n:03}kq2m9d1v7b8c0e5@google.com",
        extra="CREATED:20260102T080000Z\nDESCRIPTION:Join with Google Meet: https://meet.example/abc-defg-hij\\n\\nLearn more\n"
              "LAST-MODIFIED:20260102T080000Z\nSEQUENCE:0\nSTATUS:CONFIRMED\nTRANSP:OPAQUE\n"
              "X-GOOGLE-CONFERENCE:https://meet.example/abc-defg-hij",
        alarm="BEGIN:VALARM\nACTION:DISPLAY\nDESCRIPTION:This is an event reminder\nTRIGGER:-P0DT0H30M0S\nEND:VALARM"),
    "outlook": dict(
        prodid="-//Microsoft Corporation//Outlook 16.0 MIMEDIR//EN", head="X-MS-OLK-FORCEINSPECTOROPEN:TRUE", zone=TZ_OUTLOOK,
        tz='TZID="W. Europe Standard Time"',
        uid=lambda n: f"040000008200E00074C5B7101A82E00800000000{n:08X}0000000000000000100000007D6E2F11",
        extra="CLASS:PUBLIC\nPRIORITY:5\nSEQUENCE:0\nTRANSP:OPAQUE\n"
              "X-ALT-DESC;FMTTYPE=text/html:<html><body><p>Hallo; Welt, \\nmit <b>Fett</b></p></body></html>\n"
              "X-MICROSOFT-CDO-BUSYSTATUS:BUSY\nX-MICROSOFT-CDO-IMPORTANCE:1\nX-MICROSOFT-DISALLOW-COUNTER:FALSE\nX-MS-OLK-AUTOFILLLOCATION:FALSE",
        alarm="BEGIN:VALARM\nTRIGGER:-PT15M\nACTION:DISPLAY\nDESCRIPTION:Reminder\nEND:VALARM"),
    "thunderbird": dict(
        prodid="-//Mozilla.org/NONSGML Mozilla Calendar V1.1//EN", head="", zone=TZ_LIGHTNING, tz="TZID=Europe/Berlin",
        uid=lambda n: f"5f3c{n:04x}-77aa-4b6e-8d10-c0ffee{n:06x}",
        extra="CREATED:20260102T080000Z\nLAST-MODIFIED:20260102T080101Z\nX-MOZ-GENERATION:2\nX-MOZ-LASTACK:20260101T070000Z\n"
              "X-MOZ-SNOOZE-TIME:20260105T070000Z\nCATEGORIES:Geschäftlich,Wich\\,tig",
        alarm="BEGIN:VALARM\nACTION:DISPLAY\nTRIGGER;VALUE=DURATION:-PT10M\nDESCRIPTION:Mozilla Standardbeschreibung\nEND:VALARM"),
    "davx5": dict(
        prodid="DAVx5/4.3.16-ose ical4j/3.2.14 (com.google.android.calendar)", head="", zone=TZ_BERLIN, tz="TZID=Europe/Berlin",
        uid=lambda n: f"a1d5e{n:03}-0b1c-4d2e-9f3a-b4c5d6e7f809",
        extra="STATUS:CONFIRMED\nCLASS:PRIVATE\nCOLOR:tomato\nX-EVOLUTION-ALARM-UID:x\nTRANSP:OPAQUE",
        alarm="BEGIN:VALARM\nTRIGGER:-PT30M\nACTION:DISPLAY\nDESCRIPTION:Erinnerung\nEND:VALARM"),
    "sogo": dict(
        prodid="-//Inverse inc./SOGo 5.9.1//EN", head="", zone=TZ_BERLIN, tz="TZID=Europe/Berlin",
        uid=lambda n: f"1F4-65A{n:05X}-3-2B8C5D00",
        extra="CREATED:20260102T080000Z\nLAST-MODIFIED:20260102T080000Z\nTRANSP:OPAQUE\nX-SOGO-SEND-APPOINTMENT-NOTIFICATIONS:NO\n"
              "CLASS:CONFIDENTIAL\nPRIORITY:0",
        alarm="BEGIN:VALARM\nTRIGGER;VALUE=DURATION:-PT5M\nACTION:DISPLAY\nDESCRIPTION:SOGo\nEND:VALARM"),
    "nextcloud": dict(
        prodid="-//IDN nextcloud.com//Calendar app 4.6.5//EN", head="CALSCALE:GREGORIAN", zone=TZ_BERLIN, tz="TZID=Europe/Berlin",
        uid=lambda n: f"c9b8a7{n:02x}-6d5e-4f3a-8b1c-2d3e4f5a6b7c",
        extra="CREATED:20260102T080000Z\nLAST-MODIFIED:20260102T080000Z\nSEQUENCE:2\nSTATUS:CONFIRMED\n"
              "ATTACH;FMTTYPE=application/pdf;FILENAME=/Doku ment.pdf;X-NC-FILE-ID=42;X-NC-HAS-PREVIEW=true:/f/42",
        alarm="BEGIN:VALARM\nACTION:DISPLAY\nTRIGGER;RELATED=START:-PT5M\nEND:VALARM"),
}

WHEN = [
    "DTSTART;{tz}:20260601T090000\nDTEND;{tz}:20260601T100000",
    "DTSTART;VALUE=DATE:20260601\nDTEND;VALUE=DATE:20260603",
    "DTSTART:20260601T070000Z\nDURATION:PT45M",
    "DTSTART;{tz}:20260601T090000\nDTEND;{tz}:20260601T100000\nRRULE:FREQ=WEEKLY;BYDAY=MO,WE;UNTIL=20261231T225959Z",
    "DTSTART;{tz}:20260601T090000\nDTEND;{tz}:20260601T100000\nRRULE:FREQ=MONTHLY;BYDAY=1MO;COUNT=12\nEXDATE;{tz}:20260706T090000",
    "DTSTART;VALUE=DATE:16040229\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29",
    "DTSTART;{tz}:19700101T080000\nDTEND;{tz}:19700101T081500\nRRULE:FREQ=DAILY",
    "DTSTART;{tz}:20261024T023000\nDTEND;{tz}:20261024T033000\nRRULE:FREQ=DAILY;COUNT=3",
    "DTSTART:20260601T090000\nDTEND:20260601T100000",
    "DTSTART;{tz}:20260105T090000\nDTEND;{tz}:20260105T093000\nRRULE:FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1\n"
    "RDATE;VALUE=PERIOD:20260709T090000Z/PT2H,20260710T090000Z/20260710T100000Z\nEXDATE:20260331T070000Z,20260430T070000Z",
]
WORDS = ["Besprechung", "Zahnarzt; 2. Stock", "Müller & Söhne", "会議 \U0001F389", "Lunch, with \"Bob\"", "Überstunden\\n"]


def escape(text):
    return text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n")


def fold(text, end, width=75, blank=" "):
    out = []
    for line in text.split("\n"):
        raw = line.encode()
        first = True
        while len(raw) > (width if first else width - 1):
            cut = width if first else width - 1
            while raw[cut] & 0xC0 == 0x80:
                cut -= 1
            out.append((b"" if first else blank.encode()) + raw[:cut])
            raw = raw[cut:]
            first = False
        out.append((b"" if first else blank.encode()) + raw)
    return end.join(out) + end


def write(folder, name, raw):
    with open(os.path.join(HERE, folder, name), "wb") as f:
        f.write(raw)


def calendar(c, body, zone=True):
    head = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:" + c["prodid"]]
    if c["head"]:
        head.append(c["head"])
    if zone and ";TZID" in body:
        head.append(c["zone"])
    return "\n".join(head + [body, "END:VCALENDAR"])


os.makedirs(os.path.join(HERE, "ical"), exist_ok=True)
os.makedirs(os.path.join(HERE, "vcard"), exist_ok=True)
made = 0
for client, c in CLIENTS.items():
    for n, when in enumerate(WHEN):
        uid = c["uid"](n)
        when = when.replace("{tz}", c["tz"])
        people = ""
        if n % 3 == 0:
            people = ("\nORGANIZER;CN=Anna Müller:mailto:anna@x.test\n"
                      "ATTENDEE;CN=\"Meier, Bob\";CUTYPE=INDIVIDUAL;PARTSTAT=NEEDS-ACTION;ROLE=REQ-PARTICIPANT;RSVP=TRUE:MAILTO:bob@x.test\n"
                      "ATTENDEE;PARTSTAT=ACCEPTED;CN=Anna Müller;X-NUM-GUESTS=0:mailto:anna@x.test")
        alarm = "\n" + c["alarm"] if n % 2 == 0 else ""
        title = escape(WORDS[n % len(WORDS)])
        event = (f"BEGIN:VEVENT\nUID:{uid}\nDTSTAMP:20260102T080000Z\n{when}\nSUMMARY:{title}\n"
                 f"LOCATION:{escape('Straße 5, 10115 Berlin; Hinterhaus')}\n{c['extra']}{people}{alarm}\nEND:VEVENT")
        if n in (3, 4) :
            event += (f"\nBEGIN:VEVENT\nUID:{uid}\nDTSTAMP:20260102T080000Z\nRECURRENCE-ID;{c['tz']}:20260803T090000\n"
                      f"DTSTART;{c['tz']}:20260804T150000\nDTEND;{c['tz']}:20260804T160000\nSUMMARY:{title} (verschoben)\n"
                      f"SEQUENCE:3\nEND:VEVENT")
        text = calendar(c, event)
        end = b"\n" if (client, n) in (("davx5", 2), ("google", 8)) else b"\r\n"
        width = {"apple": 75, "google": 75, "outlook": 73, "thunderbird": 74, "davx5": 75, "sogo": 72, "nextcloud": 75}[client]
        raw = fold(text, end, width, "\t" if client == "outlook" else " ")
        if (client, n) == ("outlook", 1):
            raw = b"\xef\xbb\xbf" + raw
        if (client, n) == ("sogo", 8):
            raw = raw.rstrip(b"\r\n")
        if (client, n) == ("nextcloud", 8):
            raw += b"\r\n\r\n"
        write("ical", f"{client}-event-{n:02}.ics", raw)
        made += 1
    for n, due in enumerate([
        "DUE;VALUE=DATE:20260610", "DTSTART;{tz}:20260601T090000\nDUE;{tz}:20260601T170000", "",
        "STATUS:COMPLETED\nPERCENT-COMPLETE:100\nCOMPLETED:20260105T101112Z",
        "DTSTART;VALUE=DATE:20260601\nDUE;VALUE=DATE:20260601\nRRULE:FREQ=WEEKLY;BYDAY=MO",
        "STATUS:IN-PROCESS\nPERCENT-COMPLETE:40\nDUE:20260610T120000Z\nPRIORITY:1",
        "RELATED-TO;RELTYPE=PARENT:parent@x.test\nSTATUS:NEEDS-ACTION\nPRIORITY:9",
    ]):
        due = due.replace("{tz}", c["tz"])
        order = "X-APPLE-SORT-ORDER:637285234\n" if client == "apple" else "X-MOZ-GENERATION:1\n" if client == "thunderbird" else ""
        body = (f"BEGIN:VTODO\nUID:t-{c['uid'](n)}\nDTSTAMP:20260102T080000Z\nSUMMARY:{escape(WORDS[n % len(WORDS)])}\n"
                f"{order}{due}\nCATEGORIES:Haus\nEND:VTODO").replace("\n\n", "\n")
        write("ical", f"{client}-task-{n:02}.ics", fold(calendar(c, body), b"\r\n"))
        made += 1
    for n in range(5):
        start = ["", "DTSTART;VALUE=DATE:20260601\n", "DTSTART:20260601T090000Z\n", "STATUS:FINAL\n", "CLASS:PRIVATE\n"][n]
        text = escape("Zeile 1\nZeile 2: " + "langer Text über vieles, " * 12)
        body = (f"BEGIN:VJOURNAL\nUID:n-{c['uid'](n)}\nDTSTAMP:20260102T080000Z\n{start}"
                + ("" if n == 4 else f"SUMMARY:{escape(WORDS[n])}\n") + f"DESCRIPTION:{text}\nX-NOTE-COLOR:#ffeeaa\nEND:VJOURNAL")
        write("ical", f"{client}-note-{n:02}.ics", fold(calendar(c, body), b"\r\n"))
        made += 1

PHOTO = base64.b64encode(bytes([0xFF, 0xD8, 0xFF, 0xE0]) + random.randbytes(600)).decode()
PERSONS = [("Müller", "Anna", "Dr."), ("O'Neil; Jr.", "Bob", ""), ("山田", "太郎", ""), ("Größe", "Zoë, Ann", ""), ("", "Cher", "")]


def card(version, lines, end="\r\n"):
    return fold("\n".join(["BEGIN:VCARD", "VERSION:" + version, *lines, "END:VCARD"]), end.encode())


cards = 0
for n, (family, given, prefix) in enumerate(PERSONS):
    fn = escape(f"{prefix} {given} {family}".strip())
    name = f"N:{escape(family)};{escape(given)};;{escape(prefix)};"
    styles = {
        "apple": card("3.0", ["PRODID:-//Apple Inc.//iPhone OS 17.4//EN", name, f"FN:{fn}", "ORG:Firma & Co.;Abteilung 1;",
                              "EMAIL;type=INTERNET;type=HOME;type=pref:a@x.test", "item1.TEL;type=CELL;type=VOICE:+49 (30) 123-4",
                              "item1.X-ABLabel:_$!<HomePage>!$_", "item2.ADR;type=HOME;type=pref:;;Weg 1\\nHinterhaus;Berlin;;10115;Deutschland",
                              "item2.X-ABADR:de", "BDAY;X-APPLE-OMIT-YEAR=1604:1604-04-12", "X-SOCIALPROFILE;type=twitter:https://x.test/a",
                              f"PHOTO;ENCODING=b;TYPE=JPEG:{PHOTO}", f"UID:apple-{n}", f"REV:2026-01-0{n+1}T03:04:05Z"]),
        "apple-group": card("3.0", ["PRODID:-//Apple Inc.//macOS 14//EN", f"N:Verteiler {n}", f"FN:Verteiler {n}",
                                    "X-ADDRESSBOOKSERVER-KIND:group", f"X-ADDRESSBOOKSERVER-MEMBER:urn:uuid:apple-{n}",
                                    "X-ADDRESSBOOKSERVER-MEMBER:urn:uuid:other", f"UID:apple-group-{n}"]),
        "google": card("3.0", [f"FN:{fn}", name, "EMAIL;TYPE=INTERNET;TYPE=WORK:a@x.test", "item1.EMAIL;TYPE=INTERNET:b@x.test",
                               "item1.X-ABLabel:Verein", "TEL;TYPE=CELL:+4930123", "item2.URL:https\\://x.test/a", "item2.X-ABLabel:PROFILE",
                               "NOTE:Zeile 1\\nZeile 2", "CATEGORIES:myContacts,Kunden", f"UID:google-{n}"]),
        "outlook": fold("\n".join(["BEGIN:VCARD", "VERSION:2.1", "X-MS-OL-DESIGN;CHARSET=utf-8:<card xmlns=\"x\" ver=\"1.0\"/>",
                                   "N;LANGUAGE=de;CHARSET=ISO-8859-1;ENCODING=QUOTED-PRINTABLE:M=FCller;J=F6rg",
                                   "FN;CHARSET=ISO-8859-1;ENCODING=QUOTED-PRINTABLE:J=F6rg M=FCller", "TEL;WORK;VOICE:030 123",
                                   "ADR;WORK;PREF:;;Hauptstr. 1;Berlin;;10115;Deutschland",
                                   "LABEL;WORK;PREF;ENCODING=QUOTED-PRINTABLE:Hauptstr. 1=0D=0A=", "10115 Berlin",
                                   "EMAIL;PREF;INTERNET:j@x.test", f"UID:outlook-{n}", "REV:20260102T030405Z", "END:VCARD"]), b"\r\n", 500),
        "thunderbird": card("4.0", [f"EMAIL;PREF=1:a@x.test", f"FN:{fn}", name, "TEL;TYPE=work;VALUE=TEXT:030 123",
                                    "ADR;TYPE=home:;;Weg 1;Berlin;;10115;Deutschland", "X-CUSTOM1;VALUE=TEXT:eins", f"UID:tb-{n}",
                                    "BDAY;VALUE=DATE:--0412", "SOCIALPROFILE;SERVICE-TYPE=matrix:@a:x.test"]),
        "davx5": card("4.0", ["PRODID:-//ez-vcard 0.12.1//EN", f"UID:urn:uuid:davx5-{n}", f"FN:{fn}", name, "NICKNAME:Nick,Nack",
                              "TEL;PREF=1;TYPE=cell:tel:+4930123", "group1.TEL:+49 40 9", "group1.X-ABLABEL:Ferienhaus",
                              "ANNIVERSARY:20100501", "GENDER:F", "RELATED;VALUE=text;TYPE=spouse:Bob",
                              f"PHOTO:data:image/jpeg;base64,{PHOTO}"]),
        "sogo": card("3.0", [f"UID:sogo-{n}", "CLASS:PUBLIC", "PROFILE:VCARD", name, f"FN:{fn}", "TEL;TYPE=work:030 123",
                             "EMAIL;TYPE=work:a@x.test", "X-AIM:screen", "ORG:Firma;Abteilung"]),
        "nextcloud": card("3.0", ["PRODID:-//Sabre//Sabre VObject 4.5.4//EN", f"UID:nc-{n}", f"FN:{fn}", name,
                                  "ADR;TYPE=HOME:;;Weg 1;Berlin;;10115;Deutschland", "EMAIL;TYPE=HOME:a@x.test",
                                  "X-MANAGERSNAME;TYPE=manager:uid", "CATEGORIES:Familie", "REV;VALUE=DATE-AND-OR-TIME:20260102T030405Z"]),
        "nextcloud-org": card("4.0", [f"UID:nc-org-{n}", "KIND:org", f"FN:Verein {n}", f"ORG:Verein {n};Vorstand", "TZ;VALUE=text:Europe/Berlin",
                                      "GEO:geo:52.52,13.40", "URL;X-A=\"b;c\":https://x.test/?a=b;c=d,e"]),
        "group4": card("4.0", [f"UID:urn:uuid:g4-{n}", "KIND:group", f"FN:Liste {n}", "MEMBER:mailto:a@x.test", "MEMBER:urn:uuid:davx5-1"]),
        "evolution": card("3.0", [f"FN:{fn}", name, "TEL;TYPE=\"HOME,VOICE\";X-EVOLUTION-UI-SLOT=1:030 1",
                                  "EMAIL;X-EVOLUTION-UI-SLOT=1;TYPE=WORK:a@x.test", "X-EVOLUTION-FILE-AS:Anna", "X-MOZILLA-HTML:TRUE",
                                  f"UID:evo-{n}", "REV:2026-01-02T03:04:05Z(7)"]),
        "bare": card("3.0", [name, f"FN:{fn}", "X-EMPTY:", "NOTE:", f"UID:bare-{n}"], "\n" if n % 2 else "\r\n"),
        "android": fold("\n".join(["BEGIN:VCARD", "VERSION:2.1", f"N:;Name {n};;;", f"FN:Name {n}", "TEL;CELL:0171123", "TEL;X-Ferien:0172",
                                   "EMAIL;HOME:a@x.test", f"PHOTO;ENCODING=BASE64;JPEG:{PHOTO[:400]}", "", "END:VCARD"]), b"\r\n"),
        "photo3": card("3.0", [f"FN:{fn}", name, f"UID:photo-{n}", f"PHOTO;VALUE=uri:https://x.test/p{n}.jpg", f"LOGO;ENCODING=b;TYPE=PNG:{PHOTO}",
                               "KEY;ENCODING=b:AAAA", "SOUND;VALUE=uri:https://x.test/s.ogg"]),
        "dates": card("4.0", [f"FN:{fn}", f"UID:dates-{n}", f"BDAY:{['19850412', '1985-04', '--0412', '---12', 'T102200'][n]}",
                              "ANNIVERSARY;CALSCALE=gregorian:20090808T1430-0500", "DEATHDATE;VALUE=text:circa 1800"]),
        "alt": card("4.0", [f"UID:alt-{n}", f"FN;ALTID=1;LANGUAGE=de:{fn}", f"FN;ALTID=1;LANGUAGE=en:{fn} en", "N;SORT-AS=\"Mueller,Anna\":Müller;Anna;;;",
                            "CLIENTPIDMAP:1;urn:uuid:3df403f4", "TEL;PID=1.1,2.1;PREF=1:+49 30 1", "LANG;PREF=1:de", "IMPP:xmpp:a@x.test"]),
    }
    for style, raw in styles.items():
        if style == "google" and n == 3:
            raw = b"\xef\xbb\xbf" + raw
        write("vcard", f"{style}-{n}.vcf", raw)
        cards += 1
print(made, "calendar objects,", cards, "cards")
