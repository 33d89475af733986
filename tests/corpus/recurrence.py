"""Writes recurrence.txt: rules with what python-dateutil 2.9 makes of them.

Run by hand when rules are added: python3 tests/corpus/recurrence.py > tests/corpus/recurrence.txt
A line: DTSTART, RRULE, first and last moment of a window, the wall times in it (DTSTART always counts as one).
"""
import random
from datetime import datetime, timedelta
from dateutil.rrule import rrulestr

random.seed(5545)
DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
FIXED = [
    ("19970902T090000", "FREQ=DAILY;COUNT=10"),
    ("19970902T090000", "FREQ=DAILY;UNTIL=19971224T000000"),
    ("19970902T090000", "FREQ=DAILY;INTERVAL=2"),
    ("19970902T090000", "FREQ=DAILY;INTERVAL=10;COUNT=5"),
    ("19980101T090000", "FREQ=YEARLY;UNTIL=20000131T140000;BYMONTH=1;BYDAY=SU,MO,TU,WE,TH,FR,SA"),
    ("19970902T090000", "FREQ=WEEKLY;COUNT=10"),
    ("19970902T090000", "FREQ=WEEKLY;INTERVAL=2;WKST=SU"),
    ("19970902T090000", "FREQ=WEEKLY;UNTIL=19971007T000000;WKST=SU;BYDAY=TU,TH"),
    ("19970901T090000", "FREQ=WEEKLY;INTERVAL=2;UNTIL=19971224T000000;WKST=SU;BYDAY=MO,WE,FR"),
    ("19970902T090000", "FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH"),
    ("19970905T090000", "FREQ=MONTHLY;COUNT=10;BYDAY=1FR"),
    ("19970905T090000", "FREQ=MONTHLY;UNTIL=19971224T000000;BYDAY=1FR"),
    ("19970907T090000", "FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU"),
    ("19970922T090000", "FREQ=MONTHLY;COUNT=6;BYDAY=-2MO"),
    ("19970928T090000", "FREQ=MONTHLY;BYMONTHDAY=-3"),
    ("19970902T090000", "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15"),
    ("19970930T090000", "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1"),
    ("19970910T090000", "FREQ=MONTHLY;INTERVAL=18;COUNT=10;BYMONTHDAY=10,11,12,13,14,15"),
    ("19970902T090000", "FREQ=MONTHLY;INTERVAL=2;BYDAY=TU"),
    ("19970610T090000", "FREQ=YEARLY;COUNT=10;BYMONTH=6,7"),
    ("19970310T090000", "FREQ=YEARLY;INTERVAL=2;COUNT=10;BYMONTH=1,2,3"),
    ("19970101T090000", "FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200"),
    ("19970519T090000", "FREQ=YEARLY;BYDAY=20MO"),
    ("19970512T090000", "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO"),
    ("19970313T090000", "FREQ=YEARLY;BYMONTH=3;BYDAY=TH"),
    ("19970605T090000", "FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7,8"),
    ("19970902T090000", "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13"),
    ("19970913T090000", "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13"),
    ("19961105T090000", "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8"),
    ("19970904T090000", "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3"),
    ("19970929T090000", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2"),
    ("19970902T090000", "FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T170000"),
    ("19970902T090000", "FREQ=DAILY;BYHOUR=9,10,11,12,13,14,15,16;BYMINUTE=0,20,40"),
    ("19970805T090000", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO"),
    ("19970805T090000", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU"),
    ("20070115T090000", "FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5"),
    ("20000229T120000", "FREQ=YEARLY"),
    ("20200131T080000", "FREQ=MONTHLY"),
    ("20200131T080000", "FREQ=MONTHLY;INTERVAL=5"),
    ("19700101T070000", "FREQ=DAILY"),
    ("19700101T070000", "FREQ=DAILY;INTERVAL=3"),
    ("16040412T000000", "FREQ=YEARLY"),
]


def random_rule():
    start = datetime(1970, 1, 1) + timedelta(minutes=random.randrange(50 * 365 * 24 * 60))
    start = start.replace(second=0)
    freq = random.choice(["DAILY", "WEEKLY", "MONTHLY", "YEARLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY", "HOURLY"])
    parts = [f"FREQ={freq}"]
    if random.random() < 0.6:
        parts.append(f"INTERVAL={random.choice([2, 2, 3, 4, 5, 7, 13])}")
    pick = random.random()
    if freq == "DAILY":
        if pick < 0.3:
            parts.append("BYDAY=" + ",".join(sorted(random.sample(DAYS, random.randrange(1, 5)))))
        elif pick < 0.5:
            parts.append("BYMONTH=" + ",".join(map(str, random.sample(range(1, 13), 3))))
        elif pick < 0.6:
            parts.append("BYHOUR=6,18")
        elif pick < 0.7:
            parts.append("BYMONTHDAY=1,15,-1")
    if freq == "WEEKLY":
        if pick < 0.7:
            parts.append("BYDAY=" + ",".join(random.sample(DAYS, random.randrange(1, 5))))
        if random.random() < 0.5:
            parts.append("WKST=" + random.choice(DAYS))
    if freq == "MONTHLY":
        if pick < 0.3:
            parts.append("BYDAY=" + ",".join(f"{random.choice([1, 2, 3, 4, -1, -2])}{d}" for d in random.sample(DAYS, 2)))
        elif pick < 0.6:
            parts.append("BYMONTHDAY=" + ",".join(map(str, random.sample([1, 5, 15, 28, 29, 30, 31, -1, -5], 3))))
        elif pick < 0.8:
            parts.append("BYDAY=MO,TU,WE,TH,FR;BYSETPOS=" + random.choice(["1", "-1", "2,-2"]))
    if freq == "YEARLY":
        if pick < 0.2:
            parts.append("BYMONTH=" + ",".join(map(str, random.sample(range(1, 13), 2))))
        elif pick < 0.4:
            parts.append(f"BYMONTH={random.randrange(1, 13)};BYDAY={random.choice([1, 2, -1])}{random.choice(DAYS)}")
        elif pick < 0.5:
            parts.append("BYYEARDAY=1,100,-1,366")
        elif pick < 0.6:
            parts.append(f"BYDAY={random.choice([1, 20, -1, 53])}{random.choice(DAYS)}")
        elif pick < 0.7:
            parts.append(f"BYMONTH={random.randrange(1, 13)};BYMONTHDAY=-1,13")
        elif pick < 0.8:
            parts.append("BYWEEKNO=1,20,53;BYDAY=" + random.choice(DAYS))
    end = random.random()
    if end < 0.25:
        parts.append(f"COUNT={random.randrange(1, 300)}")
    elif end < 0.5:
        until = start + timedelta(days=random.randrange(1, 9000))
        parts.append("UNTIL=" + until.strftime("%Y%m%dT%H%M%S"))
    return start.strftime("%Y%m%dT%H%M%S"), ";".join(parts)


def answer(start, rule):
    at = datetime.strptime(start, "%Y%m%dT%H%M%S")
    made = rrulestr(rule, dtstart=at)
    for ahead, length in ((0, 400), (random.randrange(300, 7000), 400), (random.randrange(7000, 15000), 1500)):
        low = at + timedelta(days=ahead)
        high = low + timedelta(days=length)
        found = {at} if low <= at < high else set()
        for one in made.xafter(low, count=2000, inc=True):
            if one >= high:
                break
            found.add(one)
        found = sorted(found)
        high = found[60] if len(found) > 60 else high
        found = [f for f in found if f < high]
        def show(d):
            return f"{d.year:04}" + d.strftime("%m%dT%H%M%S")
        print("\t".join([start, rule, show(low), show(high), " ".join(map(show, found))]))


print("# Rules with what python-dateutil makes of them; written by recurrence.py.")
for start, rule in FIXED:
    answer(start, rule)
for _ in range(260):
    answer(*random_rule())
