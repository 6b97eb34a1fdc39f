# SPDX-License-Identifier: Apache-2.0
"""The commands that rls-query understands, those of globus-rls-cli: their words, and what each asks a server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pyglobus.core import errors

if TYPE_CHECKING:
    from pyglobus.core.rls import Client, ObjectType, ValueType


class Row(NamedTuple):
    """One line of a result. ``failed``: it tells of what could not be done."""

    text: str
    record: dict[str, Any]
    failed: bool = False


class Setting(NamedTuple):
    """How commands are to be read: patterns of SQL or of shells, and whether values go with an attribute."""

    sql: bool = False
    clear: bool = False


Arguments = list[str]
Work = Callable[["Client", Arguments, Setting], Iterable[Row]]


class Command(NamedTuple):
    """Its first words, what follows them (for people), the least and the most number of those, and what it does."""

    words: tuple[str, ...]
    usage: str
    least: int
    most: int | None
    work: Work


def find(words: Sequence[str]) -> tuple[Command, Arguments]:
    """The command that these words begin with, and its arguments. Raises `errors.UsageError`."""
    for command in COMMANDS:
        count = len(command.words)
        if tuple(words[:count]) == command.words:
            given = list(words[count:])
            if len(given) < command.least or (command.most is not None and len(given) > command.most):
                raise errors.UsageError(f"usage: {' '.join(command.words)} {command.usage}".rstrip())
            return command, given
    meant = [command for command in COMMANDS if words and command.words[0] == words[0]]
    if meant:
        forms = "; ".join(f"{' '.join(each.words)} {each.usage}".rstrip() for each in meant)
        raise errors.UsageError(f"incomplete command {' '.join(words)[:80]}", why=f"there are: {forms}")
    raise errors.UsageError(f"no such command: {words[0] if words else ''}", hint="help lists the commands")


def split(line: str) -> list[str]:
    """The words of a line: blanks part them, and double quotes group. Raises `errors.UsageError`."""
    words: list[str] = []
    word: list[str] = []
    quoted = began = False
    for character in line:
        if character == '"':
            quoted, began = not quoted, True
        elif character.isspace() and not quoted:
            if word or began:
                words.append("".join(word))
            word, began = [], False
        else:
            word.append(character)
    if quoted:
        raise errors.UsageError("a quote is not closed")
    if word or began:
        words.append("".join(word))
    return words


def help_text() -> str:
    """All commands."""
    lines = [f"{' '.join(command.words)} {command.usage}".rstrip() for command in COMMANDS]
    return "\n".join([*lines, *(f"{words} {usage}".rstrip() for words, usage in LOCAL)])


#: What needs no server.
LOCAL = (("set reslimit", "N"), ("set timeout", "SECONDS"), ("help", ""), ("version", ""), ("exit", ""))


def mapping(lfn: str, pfn: str) -> Row:
    """The line for a mapping, or for a name and the catalogue that knows it."""
    return Row(f"{lfn}: {pfn}", {"lfn": lfn, "pfn": pfn})


def _catalogue(lfn: str, lrc: str) -> Row:
    return Row(f"{lfn}: {lrc}", {"lfn": lfn, "lrc": lrc})


def _miss(code: int, *names: str) -> Row:
    from pyglobus.core.rls.results import said

    return Row(f"{','.join(names)}: {said(code)}", {"names": list(names), "code": code, "error": said(code)}, True)


def _pairs(given: Arguments) -> list[tuple[str, str]]:
    if len(given) % 2:
        raise errors.UsageError("pairs are meant", why=f"{given[-1]} stands alone")
    return list(zip(given[::2], given[1::2], strict=True))


def _kind(word: str) -> ObjectType:
    from pyglobus.core.rls import ObjectType

    kinds = {"lfn": ObjectType.LFN, "pfn": ObjectType.PFN}
    if word not in kinds:
        raise errors.UsageError(f"lfn or pfn is meant, not {word}")
    return kinds[word]


def _type(word: str) -> ValueType:
    from pyglobus.core.rls import ValueType

    names = {"date": ValueType.DATE, "float": ValueType.FLOAT, "int": ValueType.INT, "string": ValueType.STRING}
    if word not in names:
        raise errors.UsageError(f"date, float, int or string is meant, not {word}")
    return names[word]


def _type_word(kind: ValueType) -> str:
    return ("date", "float", "int", "string")[int(kind)]


def _pattern(text: str, setting: Setting) -> str:
    from pyglobus.core.rls.patterns import of_shell

    return text if setting.sql else of_shell(text)


def _changing(work: Callable[[Client, Arguments, Setting], None]) -> Work:
    def change(client: Client, given: Arguments, setting: Setting) -> Iterable[Row]:
        work(client, given, setting)
        return ()

    return change


def _bulk(what: str) -> Work:
    def work(client: Client, given: Arguments, _: Setting) -> Iterator[Row]:
        return (_miss(code, *names) for code, *names in client.bulk(what, _pairs(given)))

    return work


def _bulk_query(kind: str) -> Work:
    def work(client: Client, given: Arguments, _: Setting) -> Iterator[Row]:
        for code, first, second in client.query_bulk(given, kind):
            yield _miss(code, first) if code else mapping(first, second)

    return work


def _bulk_index(client: Client, given: Arguments, _: Setting) -> Iterator[Row]:
    for code, first, second in client.query_index_bulk(given):
        yield _miss(code, first) if code else _catalogue(first, second)


def _exists(kind: int) -> Work:
    def work(client: Client, given: Arguments, _: Setting) -> Iterator[Row]:
        from pyglobus.core.rls import ObjectType
        from pyglobus.core.rls.results import said

        for code, name in client.exists_bulk(given, ObjectType(kind)):
            word = ("LFN", "PFN", "LFN", "LRC")[kind]
            text = said(code) if code else f"{word} exists"
            yield Row(f"{name}: {text}", {"name": name, "exists": not code}, bool(code))

    return work


def _attribute_query(client: Client, given: Arguments, _: Setting) -> Iterator[Row]:
    key, name, kind = given
    for each, valtype, value in client.attribute_values(key, "" if name == "-" else name, _kind(kind)):
        word = _type_word(valtype)
        yield Row(f"{each}: {word}: {value}", {"key": key, "attribute": each, "type": word, "value": value})


def _attribute_show(client: Client, given: Arguments, _: Setting) -> Iterator[Row]:
    name, kind = given
    for each, valtype in client.attributes("" if name == "-" else name, _kind(kind)):
        yield Row(f"{each}: {_type_word(valtype)}", {"attribute": each, "type": _type_word(valtype)})


def _attribute_search(client: Client, given: Arguments, _: Setting) -> Iterator[Row]:
    from pyglobus.core.rls import Operator

    name, kind, sign, typed, *values = given
    operators = {
        "=": Operator.EQ, "!=": Operator.NE, ">": Operator.GT, ">=": Operator.GE, "<": Operator.LT, "<=": Operator.LE,
        "like": Operator.LIKE, "between": Operator.BETWEEN,
    }  # fmt: skip
    if sign not in operators or len(values) != (2 if sign == "between" else 1):
        raise errors.UsageError(f"one of {' '.join(operators)} is meant, with its values, not {sign}")
    _type(typed)
    for key, valtype, value in client.attribute_search(name, _kind(kind), operators[sign], *values):
        word = _type_word(valtype)
        yield Row(f"{key}: {word}: {value}", {"key": key, "attribute": name, "type": word, "value": value})


def _attribute_bulk_add(client: Client, given: Arguments, _: Setting) -> Iterator[Row]:
    if len(given) % 5:
        raise errors.UsageError("groups of NAME ATTRIBUTE lfn|pfn TYPE VALUE are meant")
    groups = []
    for at in range(0, len(given), 5):
        key, name, kind, typed, value = given[at : at + 5]
        groups.append((key, str(int(_kind(kind))), str(int(_type(typed))), name, value))
    return (_miss(int(c), k, n) for c, k, n in client.call("lrc_attr_add_bulk", groups=groups).records)


def _attribute_bulk_delete(client: Client, given: Arguments, _: Setting) -> Iterator[Row]:
    if len(given) % 3:
        raise errors.UsageError("groups of NAME ATTRIBUTE lfn|pfn are meant")
    groups = [(given[at], str(int(_kind(given[at + 2]))), given[at + 1]) for at in range(0, len(given), 3)]
    return (_miss(int(c), k, n) for c, k, n in client.call("lrc_attr_remove_bulk", groups=groups).records)


def _attribute_bulk_query(client: Client, given: Arguments, _: Setting) -> Iterator[Row]:
    from pyglobus.core.rls import ValueType

    name, kind, *keys = given
    groups = [(key,) for key in keys]
    found = client.call("lrc_attr_value_get_bulk", "" if name == "-" else name, str(int(_kind(kind))), groups=groups)
    for code, key, each, *rest in found.records:
        if int(code):
            yield _miss(int(code), key, each)
        else:
            word = _type_word(ValueType(int(rest[0])))
            record = {"key": key, "attribute": each, "type": word, "value": rest[1]}
            yield Row(f"{key}: {each}: {word}: {rest[1]}", record)


COMMANDS: tuple[Command, ...] = (
    Command(("add",), "LFN PFN", 2, 2, _changing(lambda client, a, _: client.add(*a))),
    Command(("create",), "LFN PFN", 2, 2, _changing(lambda client, a, _: client.create(*a))),
    Command(("delete",), "LFN PFN", 2, 2, _changing(lambda client, a, _: client.delete(*a))),
    Command(("rename", "lfn"), "OLD NEW", 2, 2, _changing(lambda client, a, _: client.rename("lfn", *a))),
    Command(("rename", "pfn"), "OLD NEW", 2, 2, _changing(lambda client, a, _: client.rename("pfn", *a))),
    Command(("exists", "lrc", "lfn"), "NAME...", 1, None, _exists(0)),
    Command(("exists", "lrc", "pfn"), "NAME...", 1, None, _exists(1)),
    Command(("exists", "rli", "lfn"), "NAME...", 1, None, _exists(2)),
    Command(("exists", "rli", "lrc"), "URL...", 1, None, _exists(3)),
    Command(("query", "lrc", "lfn"), "LFN", 1, 1, lambda client, a, _: (mapping(*p) for p in client.query(a[0]))),
    Command(
        ("query", "lrc", "pfn"), "PFN", 1, 1,
        lambda client, a, _: (mapping(*p) for p in client.query(a[0], "pfn")),
    ),
    Command(
        ("query", "rli", "lfn"), "LFN", 1, 1,
        lambda client, a, _: (_catalogue(*p) for p in client.query_index(a[0])),
    ),
    Command(
        ("query", "wildcard", "lrc", "lfn"), "PATTERN", 1, 1,
        lambda client, a, s: (mapping(*p) for p in client.match(_pattern(a[0], s))),
    ),
    Command(
        ("query", "wildcard", "lrc", "pfn"), "PATTERN", 1, 1,
        lambda client, a, s: (mapping(*p) for p in client.match(_pattern(a[0], s), "pfn")),
    ),
    Command(
        ("query", "wildcard", "rli", "lfn"), "PATTERN", 1, 1,
        lambda client, a, s: (_catalogue(*p) for p in client.match_index(_pattern(a[0], s))),
    ),
    Command(("bulk", "create"), "LFN PFN [LFN PFN]...", 0, None, _bulk("create")),
    Command(("bulk", "add"), "LFN PFN [LFN PFN]...", 0, None, _bulk("add")),
    Command(("bulk", "delete"), "LFN PFN [LFN PFN]...", 0, None, _bulk("delete")),
    Command(("bulk", "rename", "lfn"), "OLD NEW [OLD NEW]...", 0, None, _bulk("renamelfn")),
    Command(("bulk", "rename", "pfn"), "OLD NEW [OLD NEW]...", 0, None, _bulk("renamepfn")),
    Command(("bulk", "exists", "lrc", "lfn"), "NAME...", 0, None, _exists(0)),
    Command(("bulk", "exists", "lrc", "pfn"), "NAME...", 0, None, _exists(1)),
    Command(("bulk", "exists", "rli", "lfn"), "NAME...", 0, None, _exists(2)),
    Command(("bulk", "query", "lrc", "lfn"), "LFN...", 0, None, _bulk_query("lfn")),
    Command(("bulk", "query", "lrc", "pfn"), "PFN...", 0, None, _bulk_query("pfn")),
    Command(("bulk", "query", "rli", "lfn"), "LFN...", 0, None, _bulk_index),
    Command(
        ("attribute", "define"), "ATTRIBUTE lfn|pfn date|float|int|string", 3, 3,
        _changing(lambda client, a, _: client.define(a[0], _kind(a[1]), _type(a[2]))),
    ),
    Command(
        ("attribute", "undefine"), "ATTRIBUTE lfn|pfn", 2, 2,
        _changing(lambda client, a, s: client.undefine(a[0], _kind(a[1]), clear=s.clear)),
    ),
    Command(("attribute", "show"), "ATTRIBUTE|- lfn|pfn", 2, 2, _attribute_show),
    Command(
        ("attribute", "add"), "NAME ATTRIBUTE lfn|pfn TYPE VALUE", 5, 5,
        _changing(lambda client, a, _: client.attribute_add(a[0], a[1], _kind(a[2]), _type(a[3]), a[4])),
    ),
    Command(
        ("attribute", "modify"), "NAME ATTRIBUTE lfn|pfn TYPE VALUE", 5, 5,
        _changing(lambda client, a, _: client.attribute_modify(a[0], a[1], _kind(a[2]), _type(a[3]), a[4])),
    ),
    Command(
        ("attribute", "delete"), "NAME ATTRIBUTE lfn|pfn", 3, 3,
        _changing(lambda client, a, _: client.attribute_remove(a[0], a[1], _kind(a[2]))),
    ),
    Command(("attribute", "query"), "NAME ATTRIBUTE|- lfn|pfn", 3, 3, _attribute_query),
    Command(
        ("attribute", "search"), "ATTRIBUTE lfn|pfn =|!=|>|>=|<|<=|like|between TYPE VALUE...", 5, 6,
        _attribute_search,
    ),
    Command(("attribute", "bulk", "add"), "NAME ATTRIBUTE lfn|pfn TYPE VALUE ...", 0, None, _attribute_bulk_add),
    Command(("attribute", "bulk", "delete"), "NAME ATTRIBUTE lfn|pfn ...", 0, None, _attribute_bulk_delete),
    Command(("attribute", "bulk", "query"), "ATTRIBUTE|- lfn|pfn NAME...", 2, None, _attribute_bulk_query),
)  # fmt: skip
