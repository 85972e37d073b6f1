"""coodie.types: raw values and UNSET."""

from __future__ import annotations

import copy
import datetime as dt
import pickle
import random
from typing import Any

import pytest

from coodie.exceptions import CoodieError, ParameterError, ParameterTypeError
from coodie.types import UNSET, Date, Duration, Time, Timestamp, UnsetType

_VALUES = [Date(5), Time(7), Timestamp(-9), Duration(1, 2, 3)]
_UTC = dt.timezone.utc


@pytest.mark.parametrize("value", [*_VALUES, UNSET], ids=repr)
def test_values_survive_pickling_and_copying(value: Any) -> None:
    """A value comes back from a worker process as it was; UNSET is the same object."""
    for again in (
        copy.copy(value),
        copy.deepcopy(value),
        *(pickle.loads(pickle.dumps(value, n)) for n in range(2, 6)),  # noqa: S301 - made here
    ):
        assert again == value
        assert hash(again) == hash(value)
        assert again is UNSET or value is not UNSET


def test_unset_is_one_and_has_no_truth() -> None:
    """UNSET can't be mistaken for null by code that tests a value's truth."""
    assert isinstance(UNSET, UnsetType)
    assert repr(UNSET) == str(UNSET) == f"{UNSET}" == "UNSET"
    with pytest.raises(TypeError, match="is UNSET"):
        bool(UNSET)


@pytest.mark.parametrize("value", _VALUES, ids=repr)
def test_values_are_frozen_and_have_no_dict(value: Any) -> None:
    """A value can't be changed, and takes no more room than its numbers."""
    field = value.__slots__[0]
    with pytest.raises(AttributeError):
        setattr(value, field, 1)
    assert not hasattr(value, "__dict__")


def test_values_of_one_kind_are_ordered_and_durations_are_not() -> None:
    """Days, times and moments sort; a duration has no order, as in CQL."""
    assert sorted([Date(2), Date(-1), Date(0)]) == [Date(-1), Date(0), Date(2)]
    assert Time(1) < Time(2)
    assert Timestamp(-1) < Timestamp(0)
    for one, other in ((Duration(1, 0, 0), Duration(0, 30, 0)), (Date(1), Time(2)), (Date(1), 2)):
        with pytest.raises(TypeError):
            assert one < other  # type: ignore[operator]
    day: Any = Date(1)
    assert day != Timestamp(1)


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [
        (Date, -(2**31), 2**31 - 1),
        (Time, 0, 86_399_999_999_999),
        (Timestamp, -(2**63), 2**63 - 1),
        (lambda n: Duration(n, 0, 0), -(2**31), 2**31 - 1),
        (lambda n: Duration(0, n, 0), -(2**31), 2**31 - 1),
        (lambda n: Duration(0, 0, n), -(2**63), 2**63 - 1),
    ],
    ids=["Date", "Time", "Timestamp", "months", "days", "nanoseconds"],
)
def test_numbers_are_checked(kind: Any, low: int, high: int) -> None:
    """A number that CQL can't hold, or that is none, is refused where the value is made."""
    kind(low)
    kind(high)
    for number in (low - 1, high + 1):
        with pytest.raises(ParameterError, match=f"range is {low:,} to {high:,}"):
            kind(number)
    for wrong in (1.0, "1", None, True):
        with pytest.raises(ParameterTypeError, match="Give an int"):
            kind(wrong)

    class Index:
        def __index__(self) -> int:
            return 1

    assert kind(Index()) == kind(1)


def test_a_duration_has_one_sign() -> None:
    """Cassandra refuses months and days of different signs, and so do we."""
    Duration(-1, 0, -1)
    for numbers in ((1, -1, 0), (0, -1, 1), (-1, 0, 1)):
        with pytest.raises(ParameterError, match="different signs"):
            Duration(*numbers)


def test_errors_of_values_are_coodie_errors() -> None:
    """Errors are in the tree, and the builtin that fits."""
    with pytest.raises(CoodieError) as error:
        Date(2**31)
    assert isinstance(error.value, ValueError)


def test_dates_convert_exactly_or_not_at_all() -> None:
    """A day goes to datetime.date and back; one that date can't hold raises."""
    for day in (dt.date.min, dt.date(1970, 1, 1), dt.date.max):
        assert Date.from_date(day).to_date() == day
    assert Date.from_date(dt.date(1970, 1, 2)) == Date(1)
    for days in (dt.date.min.toordinal() - 719_164, dt.date.max.toordinal() - 719_162, 2**31 - 1, -(2**31)):
        with pytest.raises(ParameterError, match="years 1 to 9999"):
            Date(days).to_date()
    for wrong in (dt.datetime(2024, 1, 1), "2024-01-01"):
        with pytest.raises(ParameterTypeError):
            Date.from_date(wrong)  # type: ignore[arg-type]


def test_times_convert_exactly_or_not_at_all() -> None:
    """A time goes to datetime.time and back; nanoseconds and time zones are refused."""
    for time in (dt.time.min, dt.time(1, 2, 3, 4), dt.time.max):
        assert Time.from_time(time).to_time() == time
    assert Time.from_time(dt.time(0, 0, 1, 1)) == Time(1_000_001_000)
    with pytest.raises(ParameterError, match="below the microsecond"):
        Time(1).to_time()
    with pytest.raises(ParameterError, match="time zone"):
        Time.from_time(dt.time(1, tzinfo=_UTC))
    with pytest.raises(ParameterTypeError):
        Time.from_time(dt.datetime(2024, 1, 1))  # type: ignore[arg-type]


def test_timestamps_convert_exactly_or_not_at_all() -> None:
    """A moment goes to datetime and back; naive is UTC; microseconds and far years are refused."""
    for moment in (
        dt.datetime(1, 1, 1),
        dt.datetime(1969, 12, 31, 23, 59, 59, 999_000),
        dt.datetime(9999, 12, 31),
    ):
        aware = moment.replace(tzinfo=_UTC)
        assert Timestamp.from_datetime(moment) == Timestamp.from_datetime(aware)
        assert Timestamp.from_datetime(moment).to_datetime() == aware
    east = dt.timezone(dt.timedelta(hours=5))
    assert Timestamp.from_datetime(dt.datetime(1970, 1, 1, 5, tzinfo=east)) == Timestamp(0)
    assert Timestamp(253_402_300_799_999).to_datetime() == dt.datetime(
        9999, 12, 31, 23, 59, 59, 999_000, tzinfo=_UTC
    )
    for milliseconds in (253_402_300_800_000, -62_135_596_800_001, 2**63 - 1, -(2**63)):
        with pytest.raises(ParameterError, match="years 1 to 9999"):
            Timestamp(milliseconds).to_datetime()
    with pytest.raises(ParameterError, match="below the millisecond"):
        Timestamp.from_datetime(dt.datetime(2024, 1, 1, 0, 0, 0, 1))
    with pytest.raises(ParameterTypeError):
        Timestamp.from_datetime(dt.date(2024, 1, 1))  # type: ignore[arg-type]


def test_durations_convert_exactly_or_not_at_all() -> None:
    """Only nanoseconds are a timedelta: months and days have no fixed length."""
    for span in (dt.timedelta(0), dt.timedelta(days=-3, microseconds=1), dt.timedelta(days=100_000)):
        assert Duration.from_timedelta(span).to_timedelta() == span
    assert Duration.from_timedelta(dt.timedelta(days=1)) == Duration(0, 0, 86_400 * 10**9)
    for duration in (Duration(1, 0, 0), Duration(0, 1, 0), Duration(0, 0, 1)):
        with pytest.raises(ParameterError, match="timedelta doesn't support"):
            duration.to_timedelta()
    with pytest.raises(ParameterError, match="out of range"):
        Duration.from_timedelta(dt.timedelta.max)
    with pytest.raises(ParameterTypeError):
        Duration.from_timedelta(5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Date(0), "1970-01-01"),
        (Date(-719_162), "0001-01-01"),
        (Date(-719_163), "0000-12-31"),
        (Date(-719_529), "-0001-12-31"),
        (Date(2_932_897), "+10000-01-01"),
        (Date(-(2**31)), "-5877641-06-23"),
        (Date(2**31 - 1), "+5881580-07-11"),
        (Time(0), "00:00:00"),
        (Time(86_399_999_999_999), "23:59:59.999999999"),
        (Timestamp(0), "1970-01-01T00:00:00.000Z"),
        (Timestamp(-62_135_596_800_000), "0001-01-01T00:00:00.000Z"),
        (Timestamp(253_402_300_800_000), "253402300800000"),
        (Duration(0, 0, 0), "0ns"),
        (Duration(14, 0, 5), "14mo5ns"),
        (Duration(-1, -2, -3), "-1mo2d3ns"),
    ],
    ids=str,
)
def test_text_is_what_cql_reads(value: Any, text: str) -> None:
    """str() gives the literal; those of Cassandra 5.0.9 (cast(d AS text)) at the ends of the range."""
    assert str(value) == text


def test_days_as_text_follow_the_calendar() -> None:
    """Days beyond the years of datetime.date are written by the same calendar, moved by whole cycles."""
    rng = random.Random(1)
    for _ in range(2000):
        day = dt.date.fromordinal(rng.randrange(1, dt.date.max.toordinal()))
        cycles = rng.randrange(-14_000, 14_000)
        far = Date(Date.from_date(day).days + cycles * 146_097)
        year, month, of_month = str(far).lstrip("+-").split("-")
        assert int(year) == abs(day.year + 400 * cycles)
        assert (int(month), int(of_month)) == (day.month, day.day)
