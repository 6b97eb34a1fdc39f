# SPDX-License-Identifier: Apache-2.0
"""What can be chosen about a server: the keywords of globus-rls-server.conf, their defaults, and the file.

A line is a keyword, blanks, and a value; ``#`` begins a comment line. Keywords of the original that mean nothing here
(sizes of pools, where Bloom filters are) are read, and named by `Configuration.idle`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace

from pyglobus.core import errors
from pyglobus.core.rls import acl
from pyglobus.core.rls.address import PORT
from pyglobus.core.rls.databasename import masked

#: Bytes of a configuration file.
_MOST = 1 << 20
_YES, _NO = ("true", "1", "yes", "on"), ("false", "0", "no", "off")
#: Other spellings, of other releases.
_ALIASES = {
    "update_ll_int": "lrc_update_ll",
    "update_ll": "lrc_update_ll",
    "update_bf_int": "lrc_update_bf",
    "update_bf": "lrc_update_bf",
    "update_immediate": "lrc_update_immediate",
    "update_retry": "lrc_update_retry",
    "update_buftime": "lrc_buffer_time",
}
_IDLE = frozenset(
    (
        "maxthreads", "startthreads", "maxfreethreads", "maxbackoff", "lrc_update_factor", "update_factor",
        "rli_bloomfilter_dir", "loglevel",
    )
)  # fmt: skip
#: What a client that may (admin) can set while the server runs; until it ends, or reads its file again.
RUNNING = frozenset(
    (
        "timeout", "idletimeout", "maxconnections", "result_limit", "lrc_update_ll", "lrc_update_bf",
        "lrc_update_retry", "lrc_update_immediate", "lrc_buffer_time", "lrc_bloomfilter_numhash",
        "lrc_bloomfilter_ratio", "rli_bloomfilter", "rli_expire_int", "rli_expire_stale",
    )
)  # fmt: skip
#: The least and the most that these can be.
_RANGES = {"lrc_bloomfilter_numhash": (1, 8), "lrc_bloomfilter_ratio": (1, 64)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """The choices by their keywords. Times are in seconds; 0 means no limit for ``timeout``, ``idletimeout`` and
    ``result_limit``. ``acl`` are the lines in order, ``idle`` keywords that were given and mean nothing here.
    """

    acl: tuple[acl.Rule, ...] = ()
    authentication: bool = True
    port: int = PORT
    myurl: str = ""
    lrc_server: bool = False
    rli_server: bool = False
    lrc_dbname: str = field(default="lrcdb", repr=False)
    rli_dbname: str = field(default="rlidb", repr=False)
    db_user: str = ""
    db_pwd: str = field(default="", repr=False)
    timeout: int = 30
    idletimeout: int = 900
    maxconnections: int = 100
    result_limit: int = 0
    lrc_update_ll: int = 86400
    lrc_update_bf: int = 300
    lrc_update_retry: int = 300
    lrc_update_immediate: bool = False
    lrc_buffer_time: int = 30
    lrc_bloomfilter_numhash: int = 7
    lrc_bloomfilter_ratio: int = 10
    rli_bloomfilter: bool = False
    rli_expire_int: int = 28800
    rli_expire_stale: int = 86400
    protect: bool = False
    idle: tuple[str, ...] = field(default=())

    def interval(self, bloom: bool) -> int:
        """Seconds between two updates of an index that gets Bloom filters, or names."""
        return max(self.lrc_update_bf if bloom else self.lrc_update_ll, 1)

    def listed(self, option: str = "") -> list[tuple[str, str]]:
        """Name and value of one keyword, or of all ("" or "all"). Raises KeyError for one that is not there."""
        values = {
            each.name: _written(getattr(self, each.name)) for each in fields(self) if each.name not in ("acl", "idle")
        }
        values |= {name: masked(values[name]) for name in ("lrc_dbname", "rli_dbname")}
        values["db_pwd"] = "***" if self.db_pwd else ""
        if option in ("", "all"):
            lines = [
                ("acl", f"{rule.who.pattern}: {' '.join(sorted(p.value for p in rule.permissions))}")
                for rule in self.acl
            ]
            return [*lines, *values.items()]
        option = _ALIASES.get(option, option)
        return [(option, values[option])]

    def changed(self, option: str, value: str) -> Configuration:
        """With another value for one keyword. Raises `errors.ConfigurationError`."""
        return apply(self, [(option, value, option)])


def read(path: str | os.PathLike[str], base: Configuration | None = None) -> Configuration:
    """The configuration in a file. Raises `errors.ConfigurationError`, with the line."""
    try:
        with open(path, "rb") as stream:
            data = stream.read(_MOST + 1)
    except OSError as error:
        raise errors.ConfigurationError("cannot read configuration", where=str(path), why=error.strerror) from error
    if len(data) > _MOST:
        raise errors.ConfigurationError("cannot read configuration", where=str(path), why=f"more than {_MOST} bytes")
    lines = []
    for number, line in enumerate(os.fsdecode(data).splitlines(), 1):
        text = line.strip()
        if text and not text.startswith("#"):
            keyword, _, value = text.partition(" ") if " " in text.split("\t")[0] else text.partition("\t")
            lines.append((keyword, value.strip(), f"{path}:{number}"))
    return apply(base or Configuration(), lines)


def apply(base: Configuration, lines: Iterable[tuple[str, str, str]]) -> Configuration:
    """``base`` with keywords and values from lines; the third of each says where it stands."""
    known = {each.name: each.type for each in fields(Configuration) if each.name not in ("acl", "idle")}
    values: dict[str, object] = {}
    rules: list[acl.Rule] = []
    idle: list[str] = []
    for given, value, where in lines:
        keyword = _ALIASES.get(given, given)
        if keyword == "acl":
            rules.append(acl.parse(value))
        elif keyword in known:
            made = values[keyword] = _value(str(known[keyword]), value, f"{where}: {given}")
            least, most = _RANGES.get(keyword, (made, made))
            if not least <= made <= most:  # type: ignore[operator]
                why = f"it is from {least} to {most}"
                raise errors.ConfigurationError("bad value", where=f"{where}: {given}", why=why)
        elif keyword in _IDLE:
            idle.append(given)
        else:
            raise errors.ConfigurationError("unknown keyword", where=where, why=given, hint=_meant(given, known))
    return replace(base, acl=tuple(rules) or base.acl, idle=(*base.idle, *idle), **values)  # type: ignore[arg-type]


def _value(kind: str, text: str, where: str) -> object:
    if kind == "bool":
        if text.lower() in (*_YES, *_NO):
            return text.lower() in _YES
        raise errors.ConfigurationError("bad value", where=where, why=f"{text!r} is neither true nor false")
    if kind == "int":
        if text.isascii() and text.isdigit() and len(text) < 10:
            return int(text)
        raise errors.ConfigurationError("bad value", where=where, why=f"{text!r} is not a whole number")
    if not text:
        raise errors.ConfigurationError("bad value", where=where, why="it is empty")
    return text


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _meant(given: str, known: Mapping[str, object]) -> str | None:
    import difflib

    close = difflib.get_close_matches(given, [*known, *_ALIASES, *_IDLE, "acl"], 1)
    return f"did you mean {close[0]}?" if close else None
