# SPDX-License-Identifier: Apache-2.0
"""The types of option values that click lacks: sizes, durations, lifetimes and counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pyglobus.cli import units

if TYPE_CHECKING:
    import datetime as dt

    _DeltaType = click.ParamType[dt.timedelta]
    _IntType = click.ParamType[int]
    _FloatType = click.ParamType[float]
else:
    _DeltaType = _IntType = _FloatType = click.ParamType  # generic only from click 8.4 on


class SizeType(_IntType):
    """Bytes, as `units.parse_size` reads them."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return units.parse_size(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class DurationType(_FloatType):
    """Seconds, as `units.parse_duration` reads them."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, int | float):
            return float(value)
        try:
            return units.parse_duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class CountType(_IntType):
    """A whole number of at least ``least`` and at most ``most``."""

    name = "number"

    def __init__(self, least: int = 0, most: int | None = None) -> None:
        self.least = least
        self.most = most

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value)
        if not (text.isascii() and text.removeprefix("-").isdigit() and len(text) <= 20):
            self.fail(f"{text!r} is not a whole number", param, ctx)
        number = int(text)
        if number < self.least:
            self.fail(f"{number} is less than {self.least}", param, ctx)
        if self.most is not None and number > self.most:
            self.fail(f"{number} is more than {self.most}", param, ctx)
        return number


class LifetimeType(_DeltaType):
    """Hours and minutes, ``12:00``."""

    name = "H:M"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> dt.timedelta:
        import datetime as dt

        if isinstance(value, dt.timedelta):
            return value
        hours, colon, minutes = str(value).partition(":")
        if not (colon and _digits(hours, 9) and _digits(minutes, 2)):
            self.fail(f"{value!r} is not hours and minutes, such as 12:00", param, ctx)
        if int(minutes) > 60:
            self.fail(f"{minutes} minutes are more than 60", param, ctx)
        return dt.timedelta(hours=int(hours), minutes=int(minutes))


def _digits(text: str, most: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= most


LIFETIME = LifetimeType()
SIZE = SizeType()
DURATION = DurationType()
COUNT = CountType(0)
POSITIVE = CountType(1)
