"""Keeps instants as microseconds since 1970 in UTC: integers compare alike in every database."""

import datetime as dt

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


def microseconds_of(instant: dt.datetime) -> int:
    """The number that keeps an instant."""
    return (instant - _EPOCH) // _MICROSECOND


def instant_of(microseconds: int) -> dt.datetime:
    """The instant that a number keeps."""
    return _EPOCH + microseconds * _MICROSECOND
