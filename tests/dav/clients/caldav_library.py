"""The `caldav` library of Python over every method and report it has.

    caldav_library.py BASE_URL USER PASSWORD

Begins at the host's root, as people do who know no more. Any end but 0 is a failure.
"""

import datetime
import sys
import warnings

import caldav
from caldav.elements import dav, ical

warnings.simplefilter("ignore")
base, user, password = sys.argv[1:]
UTC = datetime.timezone.utc


def at(day, hour=0):
    return datetime.datetime(2026, 3, day, hour, tzinfo=UTC)


def client(url):
    return caldav.DAVClient(url=url, username=user, password=password, ssl_verify_cert=False)


principal = client(base).principal()
assert str(principal.url).rstrip("/").endswith(f"/dav/principals/{user}"), principal.url
names = {c.get_property(dav.DisplayName()) for c in principal.calendars()}
assert len(names) == 3, names

calendar = principal.make_calendar(name="Prüfung", cal_id="probe")
assert calendar.get_property(dav.DisplayName()) == "Prüfung"
event = calendar.save_event(
    dtstart=at(1, 10), dtend=at(1, 11), summary="Täglich", rrule={"FREQ": "DAILY", "COUNT": 5}
)
whole = calendar.save_event(
    dtstart=datetime.date(2026, 4, 1), dtend=datetime.date(2026, 4, 2), summary="Ganzer Tag"
)
assert len(calendar.events()) == 2
assert len(calendar.search(start=at(2), end=at(4), event=True, expand=False)) == 1
assert len(calendar.search(start=at(2), end=at(4), event=True, expand=True)) == 2
assert len(calendar.search(start=at(10), end=at(12), event=True, expand=False)) == 0
assert len(calendar.search(event=True, summary="Täglich")) == 1
assert len(calendar.search(event=True, summary="nichts davon")) == 0

event.icalendar_instance.subcomponents[0]["summary"] = "Geändert"
event.save()
uid = str(event.icalendar_instance.subcomponents[0]["uid"])
again = calendar.event_by_uid(uid)
assert str(again.icalendar_instance.subcomponents[0]["summary"]) == "Geändert"
try:
    calendar.event_by_uid("nobody's")
    sys.exit("an event that is not there was found")
except caldav.error.NotFoundError:
    pass

known = calendar.objects_by_sync_token(load_objects=True)
assert len(list(known)) == 2 and known.sync_token
new = calendar.save_event(dtstart=at(20, 9), dtend=at(20, 10), summary="Neu")
changed, gone = known.sync()
assert (len(list(changed)), len(list(gone))) == (1, 0)
new.delete()
changed, gone = known.sync()
assert (len(list(changed)), len(list(gone))) == (0, 1)
changed, gone = known.sync()
assert (len(list(changed)), len(list(gone))) == (0, 0)
many = calendar.calendar_multiget([event.url, whole.url])
assert len(list(many)) == 2

busy = calendar.freebusy_request(at(1), at(3))
assert busy.data.count("FREEBUSY;") == 2 and "Geändert" not in busy.data, busy.data

calendar.set_properties([dav.DisplayName("Umbenannt"), ical.CalendarColor("#ff0000ff")])
found = calendar.get_properties([dav.DisplayName(), ical.CalendarColor()])
assert found["{DAV:}displayname"] == "Umbenannt", found
assert found["{http://apple.com/ns/ical/}calendar-color"] == "#ff0000ff", found

tasks = principal.make_calendar(
    name="Aufgaben 2", cal_id="probetasks", supported_calendar_component_set=["VTODO"]
)
task = tasks.save_todo(summary="Tun", due=at(5))
tasks.save_todo(summary="Auch tun")
assert len(tasks.todos()) == 2
task.complete()
assert len(tasks.todos()) == 1
assert len(tasks.todos(include_completed=True)) == 2

notes = principal.make_calendar(
    name="Notizen 2", cal_id="probenotes", supported_calendar_component_set=["VJOURNAL"]
)
notes.save_journal(dtstart=datetime.date(2026, 3, 1), summary="Notiz")
assert len(notes.journals()) == 1

try:
    tasks.save_event(dtstart=at(1, 10), dtend=at(1, 11), summary="falsch hier")
    sys.exit("a task list took an event")
except caldav.error.DAVError:
    pass
for made in (calendar, tasks, notes):
    made.delete()
assert len(principal.calendars()) == 3
try:
    caldav.DAVClient(url=base, username=user, password="wrong", ssl_verify_cert=False).principal()
    sys.exit("a wrong password came in")
except caldav.error.AuthorizationError:
    pass
print("ok")
