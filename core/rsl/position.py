# SPDX-License-Identifier: Apache-2.0
"""Where a text stops being RSL: a reader that follows the grammar of the C library, which does not tell.

It is stricter in one point: after a whole request the library overlooks a quote or comment that has no end, and all
from the first character that it does not know. It builds nothing. `fault` reads until it cannot go on, and says where
that is and what was expected.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_SPECIAL = "\\t \\n=!<>()\"'^*$#?~"
_UNQUOTED = re.compile(rf"[^{_SPECIAL}+&|][^{_SPECIAL}]*")
_BLANK = re.compile(r"[\t \n]+")
_OPERATOR = re.compile(r"!=|<=|>=|[=<>]")

#: Nobody nests deeper, and the stack must last.
_DEEPEST = 100


class Fault(NamedTuple):
    """Line and column, from 1, and why the text cannot go on there."""

    line: int
    column: int
    why: str


class _Stuck(Exception):
    def __init__(self, at: int, why: str) -> None:
        super().__init__(why)
        self.at = at
        self.why = why


def fault(text: str) -> Fault | None:
    """The first place where the text is no RSL; None if there is none."""
    try:
        _Reader(text).read()
    except _Stuck as stuck:
        line = text.count("\n", 0, stuck.at) + 1
        return Fault(line, stuck.at - text.rfind("\n", 0, stuck.at), stuck.why)
    return None


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0

    def read(self) -> None:
        self._specification()
        self._skip()
        if self.at < len(self.text):
            raise self._stuck("nothing may follow the request")

    def _stuck(self, why: str, at: int | None = None) -> _Stuck:
        place = self.at if at is None else at
        found = f", not {self.text[place]!r}" if place < len(self.text) else ", not the end"
        return _Stuck(place, why + (found if at is None else ""))

    def _skip(self) -> None:
        while True:
            blank = _BLANK.match(self.text, self.at)
            if blank is not None:
                self.at = blank.end()
            elif self.text.startswith("(*", self.at):
                end = self.text.find("*)", self.at + 2)
                if end < 0:
                    raise self._stuck("this comment has no end", self.at)
                self.at = end + 2
            else:
                return

    def _next(self) -> str:
        self._skip()
        return self.text[self.at : self.at + 1]

    def _expect(self, character: str, why: str) -> None:
        if self._next() != character:
            raise self._stuck(why)
        self.at += 1

    def _specification(self) -> None:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self._stuck("too many brackets in brackets", self.at)
        if self._next() in ("&", "|", "+") and self.text[self.at]:
            self.at += 1
            self._expect("(", "a request in brackets must follow")
            self._enclosed()
            while self._next() == "(":
                self.at += 1
                self._enclosed()
        else:
            self._relation()
        self.depth -= 1

    def _enclosed(self) -> None:
        opened = self.at - 1
        self._specification()
        if self._next() != ")":
            raise (
                self._stuck("this bracket is not closed", opened)
                if not self.text[self.at :]
                else self._stuck("a value or a closing bracket must follow")
            )
        self.at += 1

    def _relation(self) -> None:
        if not self._string():
            raise self._stuck("an attribute must stand here, or one of & | +")
        self._skip()
        operator = _OPERATOR.match(self.text, self.at)
        if operator is None:
            raise self._stuck("an operator such as = must follow the attribute")
        self.at = operator.end()
        self._values("a value must follow the operator")

    def _values(self, why: str) -> None:
        if not self._value():
            raise self._stuck(why)
        while self._value():
            pass

    def _value(self) -> bool:
        if self._next() == "(":
            opened = self.at
            self.depth += 1
            if self.depth > _DEEPEST:
                raise self._stuck("too many brackets in brackets", self.at)
            self.at += 1
            self._values("a value must stand in the brackets")
            self._close(opened)
            self.depth -= 1
            return True
        if not self._simple():
            return False
        while self._next() == "#":
            self.at += 1
            if not self._simple():
                raise self._stuck("a value must follow #")
        return True

    def _close(self, opened: int) -> None:
        if not self._next():
            raise self._stuck("this bracket is not closed", opened)
        self._expect(")", "a value or a closing bracket must follow")

    def _simple(self) -> bool:
        while True:
            if self._next() == "$":
                self.at += 1
                opened = self.at
                self._expect("(", "a name in brackets must follow $")
                self._values("the name of a variable must stand in the brackets")
                self._close(opened)
                joined = self.text[self.at : self.at + 1] == "$" or _UNQUOTED.match(self.text, self.at) is not None
            elif _UNQUOTED.match(self.text, self.at):
                self._string()
                joined = self.text[self.at : self.at + 1] == "$"
            else:
                return self._string()
            if not joined:  # what touches a variable is concatenated with it
                return True

    def _string(self) -> bool:
        quote = self._next()
        if not quote:
            return False
        if quote in "\"'^":
            opened = self.at
            if quote == "^":
                self.at += 1
                quote = self.text[self.at : self.at + 1]
            end = self.at + 1
            while quote and self.text.startswith(quote, self.at):
                end = self.text.find(quote, self.at + 1)
                if end < 0:
                    break
                self.at = end + 1
            if not quote or end < 0:
                raise self._stuck("this quote has no end", opened)
            return True
        unquoted = _UNQUOTED.match(self.text, self.at)
        if unquoted is None:
            return False
        self.at = unquoted.end()
        return True
