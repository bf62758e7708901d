from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from rotator.schedule import Cron, Every, cron, duration, spoken

DAY = 86400.0


def at(text, zone="UTC", fold=0):
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


def fires(when, start, end):
    """Every fire after `start`, up to `end`, as a run that never sleeps sees them."""
    found = []
    while (start := when.next_slot(start, start)) <= end:
        found.append(start)
    return found


def shown(moments):
    return [datetime.fromtimestamp(each, UTC).strftime("%m-%d %H:%M") for each in moments]


# ---- durations


@pytest.mark.parametrize(("text", "seconds"), [("30d", 30 * DAY), ("12h", 43200), ("15m", 900), ("45s", 45), ("0s", 0)])
def test_a_duration_is_a_number_and_a_unit(text, seconds):
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "1.5h", "1d12h", "1 d", "1w", "1D", "٣d", "1d\n", "9999999999d"])
def test_anything_else_is_no_duration(text):
    with pytest.raises(ValueError, match="a number and a unit"):
        duration(text)


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (59, "59s"), (3600, "1h"), (31 * DAY + 3600, "31d 1h"), (90061, "1d 1h 1m 1s")])
def test_a_duration_is_spoken_in_its_units(seconds, text):
    assert spoken(seconds) == text


# ---- every


def test_slots_of_every_count_from_the_last_one_and_missed_ones_coalesce():
    when = Every(10 * DAY)
    assert when.slot(100, 100 + 10 * DAY - 1) is None
    assert when.slot(100, 100 + 10 * DAY) == 100 + 10 * DAY
    assert when.slot(100, 100 + 39 * DAY) == 100 + 30 * DAY
    assert when.next_slot(100, 100 + 39 * DAY) == 100 + 10 * DAY
    assert when.longest == 10 * DAY


def test_a_last_slot_in_the_future_is_not_due():
    assert Every(DAY).slot(100 * DAY, DAY) is None
    assert cron("@daily").slot(100 * DAY, 50 * DAY) is None


@given(every=st.integers(1, 10**7), last=st.integers(0, 2 * 10**9), now=st.integers(0, 2 * 10**9))
def test_a_slot_of_every_is_the_newest_that_is_due(every, last, now):
    slot = Every(every).slot(last, now)
    if slot is None:
        assert now < last + every
    else:
        assert last < slot <= now < slot + every
        assert (slot - last) % every == 0


# ---- cron: what it means


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        ("0 3 1 * *", "2026-11-24 10:00", "2026-12-01 03:00"),
        ("0 3 * * 0", "2026-11-24 10:00", "2026-11-29 03:00"),
        ("0 3 * * 7", "2026-11-24 10:00", "2026-11-29 03:00"),
        ("0 3 * * sun", "2026-11-24 10:00", "2026-11-29 03:00"),
        ("0 3 * * MON-FRI", "2026-11-27 10:00", "2026-11-30 03:00"),
        ("0 3 * jan,JUL *", "2026-11-24 10:00", "2027-01-01 03:00"),
        ("0 3 13 * 5", "2026-11-24 10:00", "2026-11-27 03:00"),
        ("0 3 13 * 5", "2026-12-11 10:00", "2026-12-13 03:00"),
        ("*/20 8-9 * * *", "2026-11-24 08:41", "2026-11-24 09:00"),
        ("5,10 0 * * *", "2026-11-24 00:05", "2026-11-24 00:10"),
        ("  0   3 * * * ", "2026-11-24 10:00", "2026-11-25 03:00"),
        ("0 0 29 2 *", "2026-11-24 10:00", "2028-02-29 00:00"),
        ("0 0 29 2 *", "2096-03-01 00:00", "2104-02-29 00:00"),
        ("@daily", "2026-11-24 10:00", "2026-11-25 00:00"),
        ("@midnight", "2026-11-24 10:00", "2026-11-25 00:00"),
        ("@Weekly", "2026-11-24 10:00", "2026-11-29 00:00"),
        ("@monthly", "2026-11-24 10:00", "2026-12-01 00:00"),
        ("@yearly", "2026-11-24 10:00", "2027-01-01 00:00"),
        ("@annually", "2026-11-24 10:00", "2027-01-01 00:00"),
        ("@hourly", "2026-11-24 10:00", "2026-11-24 11:00"),
    ],
)
def test_the_five_fields_and_their_short_names_mean_what_cron_means(expression, after, expected):
    when = cron(expression)
    assert when.next_slot(at(after), at(after)) == at(expected)
    assert when.slot(0, at(expected)) == at(expected)
    before = when.slot(0, at(expected) - 1)
    assert before is not None
    assert before <= at(after)


def test_missed_fires_coalesce_into_the_last():
    when = cron("0 3 * * *")
    assert when.slot(at("2026-11-01 03:00"), at("2026-11-24 02:59")) == at("2026-11-23 03:00")
    assert when.slot(at("2026-11-23 03:00"), at("2026-11-24 02:59")) is None


@pytest.mark.parametrize("expression", ["0 0 30 2 *", "0 0 31 2,4,6,9,11 *", "0 0 31 4 *"])
def test_what_never_fires_is_refused(expression):
    with pytest.raises(ValueError, match="never fires"):
        cron(expression)


@pytest.mark.parametrize("zone", ["Mars/Base", "", "../UTC", "/etc/passwd", "Europe", "europe\0", "posixrules/../UTC"])
def test_a_time_zone_that_is_none_is_refused(zone):
    with pytest.raises(ValueError, match="no such time zone"):
        cron("@daily", zone)


def test_a_cron_goes_to_another_process_and_back():
    when = cron("0 3 1 * *", "Europe/Berlin")
    assert pickle.loads(pickle.dumps(when)) == when


# ---- cron: when the clock changes


@pytest.mark.parametrize(
    ("zone", "expression", "start", "expected"),
    [
        # spring: 02:00 -> 03:00, the skipped slot fires at the change
        ("Europe/Berlin", "30 2 * * *", "2026-03-28 00:00", ["03-28 01:30", "03-29 01:00", "03-30 00:30"]),
        ("Europe/Berlin", "0 3 * * *", "2026-03-28 00:00", ["03-28 02:00", "03-29 01:00", "03-30 01:00"]),
        ("Europe/Berlin", "0 2,3 * * *", "2026-03-29 00:00", ["03-29 01:00", "03-30 00:00", "03-30 01:00"]),
        ("America/New_York", "30 2 * * *", "2026-03-07 00:00", ["03-07 07:30", "03-08 07:00", "03-09 06:30"]),
        ("America/New_York", "*/30 2 * * *", "2026-03-08 00:00", ["03-08 07:00", "03-09 06:00", "03-09 06:30"]),
        ("Australia/Lord_Howe", "15 2 * * *", "2026-10-03 00:00", ["10-02 15:45", "10-03 15:30", "10-04 15:15"]),
        ("America/Havana", "30 0 * * *", "2026-03-07 00:00", ["03-07 05:30", "03-08 05:00", "03-09 04:30"]),
        # autumn: 03:00 -> 02:00, the doubled slot fires the first time
        ("Europe/Berlin", "30 2 * * *", "2026-10-24 00:00", ["10-24 00:30", "10-25 00:30", "10-26 01:30"]),
        ("America/New_York", "30 1 * * *", "2026-10-31 00:00", ["10-31 05:30", "11-01 05:30", "11-02 06:30"]),
        ("America/New_York", "*/30 1 * * *", "2026-11-01 00:00", ["11-01 05:00", "11-01 05:30", "11-02 06:00"]),
        ("Australia/Lord_Howe", "45 1 * * *", "2026-04-04 00:00", ["04-03 14:45", "04-04 14:45", "04-05 15:15"]),
        ("America/Havana", "30 0 * * *", "2026-10-31 00:00", ["10-31 04:30", "11-01 04:30", "11-02 05:30"]),
        # no change at all, and a zone that skipped a whole day
        ("Asia/Kolkata", "30 1 * * *", "2026-03-28 00:00", ["03-27 20:00", "03-28 20:00", "03-29 20:00"]),
        ("Pacific/Apia", "0 12 * * *", "2011-12-29 00:00", ["12-29 22:00", "12-30 10:00", "12-30 22:00"]),
    ],
)
def test_each_local_slot_fires_once_through_changes_of_the_clock(zone, expression, start, expected):
    when = cron(expression, zone)
    begin = at(start, zone) - 1
    found = fires(when, begin, begin + 4 * DAY)[:3]
    assert shown(found) == expected
    assert all(when.slot(0, each) == each for each in found)


@pytest.mark.parametrize(
    ("zone", "day"), [("America/New_York", "2026-11-01"), ("Europe/Berlin", "2026-10-25"), ("Australia/Lord_Howe", "2026-04-05")]
)
def test_a_daily_slot_is_due_once_however_often_one_looks_in_the_doubled_hour(zone, day):
    when = cron("30 1 * * *" if zone != "Europe/Berlin" else "30 2 * * *", zone)
    now, last, done = at(f"{day} 00:00", zone), at(f"{day} 00:00", zone), 0
    while now < at(f"{day} 00:00", zone) + DAY:
        slot = when.slot(last, now)
        if slot is not None:
            last, done = slot, done + 1
        now += 60
    assert done == 1


ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Havana", "Africa/Casablanca", "Pacific/Apia"]
FIELDS = st.tuples(
    st.sampled_from(["0", "30", "*/20", "5,55", "10-12"]),
    st.sampled_from(["0", "1", "2", "3", "*", "*/6", "23"]),
    st.sampled_from(["*", "1", "*/7", "31", "29"]),
    st.sampled_from(["*", "3", "10,11", "*/5"]),
    st.sampled_from(["*", "0", "7", "1-5", "SAT"]),
)
MOMENTS = st.integers(1_600_000_000, 1_900_000_000)


@settings(max_examples=150, deadline=None)
@given(fields=FIELDS, zone=st.sampled_from(ZONES), now=MOMENTS)
def test_the_last_slot_and_the_next_one_enclose_now(fields, zone, now):
    try:
        when = cron(" ".join(fields), zone)
    except ValueError:
        return
    slot = when.slot(0, now)
    assert slot is not None
    after = when.next_slot(slot, now)
    assert slot <= now < after
    assert when.slot(slot, now) is None
    assert when.slot(slot, after) == after
    assert when.next_slot(now, now) == after
    assert after - slot <= when.longest + 7200, "clocks changed by other rules before 2024"


@settings(max_examples=60, deadline=None)
@given(fields=FIELDS, now=MOMENTS)
def test_without_changes_of_the_clock_it_fires_as_cronsim_does(fields, now):
    expression = " ".join(fields)
    try:
        when = cron(expression)
    except ValueError:
        return
    theirs = CronSim(expression, datetime.fromtimestamp(now, UTC))
    mine = float(now)
    for _ in range(5):
        mine = when.next_slot(mine, mine)
        assert mine == next(theirs).timestamp()


@settings(max_examples=60, deadline=None)
@given(zone=st.sampled_from(ZONES), hour=st.integers(0, 23), minute=st.integers(0, 59), now=MOMENTS)
def test_a_fixed_time_fires_once_on_every_local_day(zone, hour, minute, now):
    when, tz = cron(f"{minute} {hour} * * *", zone), ZoneInfo(zone)
    found = fires(when, now, now + 30 * DAY)
    local = [datetime.fromtimestamp(each, tz).replace(tzinfo=None) for each in found]
    assert all(timedelta(0) < late - early <= timedelta(days=1, hours=3) for early, late in pairwise(local))
    assert len({each.date() for each in local}) == len(local)
    assert len(local) in (29, 30, 31)


# ---- the longest gap


@pytest.mark.parametrize(
    ("expression", "zone", "gap"),
    [
        ("0 0 * * *", "UTC", "1d"),
        ("30 1 * * *", "America/New_York", "1d 1h"),
        ("15 1 * * *", "Australia/Lord_Howe", "1d 30m"),
        ("0 3 1 * *", "UTC", "31d"),
        ("0 3 1 * *", "Europe/Berlin", "31d 1h"),
        ("0 3 31 * *", "UTC", "61d"),
        ("0 0 29 2 *", "UTC", "1461d"),
        ("0 0 1 1 *", "UTC", "366d"),
        ("0 0 1 1 *", "Europe/Berlin", "366d"),
        ("0 0,12 * * *", "UTC", "12h"),
        ("0 8,9 * * *", "UTC", "23h"),
        ("0 3 13 * 5", "UTC", "7d"),
        ("0 3 1,15 * *", "UTC", "17d"),
        ("*/15 * * * *", "UTC", "15m"),
        ("0 0 * 6 *", "UTC", "337d"),
        ("0 0 */7 3 SAT", "UTC", "3990d"),
        ("0 0 */28 2 SAT", "UTC", "4018d"),
    ],
)
def test_the_longest_gap_is_what_a_policy_must_bear(expression, zone, gap):
    assert spoken(cron(expression, zone).longest) == gap


def test_a_minute_of_every_minute_is_found():
    when = Cron("* * * * *", "Europe/Berlin")
    assert when.slot(0, 1_795_000_030) == 1_795_000_020
