# SPDX-License-Identifier: Apache-2.0
"""What is made of a job's description before it is sent: a command as a request, and what globusrun adds to one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from pyglobus.core import errors
from pyglobus.core.gram import wrapper
from pyglobus.core.gram.outlet import GASS_URL, Paths
from pyglobus.core.rsl.tree import Boolean, Literal, Relation, Variable, conjunction, relation, variable

#: How long a job of two-phase commit waits for its submitter to have noted that it is there, and then that it has
#: ended.
COMMIT_SECONDS = 60


def of_command(words: Sequence[str]) -> Boolean:
    """A request that runs a command; a name without a slash is looked up in the PATH that the job has there."""
    program, *arguments = words
    if "/" not in program:
        program, arguments = "/usr/bin/env", list(words)
    return conjunction(executable=program, **({"arguments": arguments} if arguments else {}))


def with_attributes(request: Boolean, environment: Mapping[str, str] | None = None, **attributes: object) -> Boolean:
    """The request with more attributes (None is left out). Raises `errors.UsageError` for one that it has already."""
    wanted = [relation(name, value) for name, value in attributes.items() if value is not None]
    if environment:
        wanted.append(relation("environment", *([name, value] for name, value in environment.items())))
    for each in wanted:
        if any(request.relations(each.attribute)):
            why = "the description has it already"
            raise errors.UsageError("cannot add an attribute", where=each.attribute, why=why, fault="bad-rsl")
    return Boolean(request.operator, (*request.operands, *wanted))


def with_output(request: Boolean, paths: Paths) -> Boolean:
    """The request with its output going to these paths of whoever has submitted it, where it does not say otherwise."""

    def missing(inner: Boolean) -> list[Relation]:
        wanted = {"stdout": paths.stdout, "stderr": paths.stderr}
        return [
            relation(name, paths.reference(path)) for name, path in wanted.items() if not any(inner.relations(name))
        ]

    return _within(request, missing)


class Wishes(NamedTuple):
    """What whoever submits a job wants to have of it: its output at the end, or ``live``; the exit status of its
    program; and that it can be picked up again (``kept``).
    """

    shows: bool = False
    live: bool = False
    propagates: bool = False
    kept: bool = False


def prepared(request: Boolean, wishes: Wishes, paths: Paths, server: str | None) -> Boolean:
    """The request as it is sent, with its output going to these paths of a server (``https://host:port``), if there is
    one. Raises `errors.UsageError` for a request that this cannot be done for.
    """
    if server is not None:
        if wishes.live:
            request = wrapper.with_live(request, server, paths.stdout, paths.stderr)
        if wishes.propagates:
            request = wrapper.with_status(request, paths.reference(paths.status))
        if wishes.shows:
            request = with_output(request, paths)
        request = with_gass(request, server)
    return with_recovery(request, COMMIT_SECONDS) if wishes.kept else request


def with_gass(request: Boolean, url: str) -> Boolean:
    """The request with `GASS_URL` defined."""
    return _within(request, lambda _: [relation("rsl_substitution", [GASS_URL, url])])


def with_stages(
    request: Boolean, attribute: str, pairs: Sequence[tuple[str, str]], directory: str | None = None
) -> Boolean:
    """The request with files that are staged as well: ``attribute`` is ``file_stage_in`` or ``file_stage_out``, each
    pair a source and a destination. On our side a path, which must be absolute, is one of whoever submits it; on the
    job's, a relative one begins at ``directory``, or the home directory there.
    """
    if not pairs:
        return request
    from urllib.parse import quote

    mine = 0 if attribute == "file_stage_in" else 1

    def place(index: int, name: str) -> object:
        if "://" in name or (index != mine and name.startswith("/")):
            return name
        return variable(GASS_URL) + quote(name) if index == mine else _below(directory) + f"/{name}"

    made = [[place(index, name) for index, name in enumerate(pair)] for pair in pairs]
    stages = list(request.relations(attribute))
    values = (*(value for each in stages for value in each.values), *relation(attribute, *made).values)
    kept = (each for each in request.operands if each not in stages)
    return Boolean(request.operator, (*kept, Relation(attribute, "=", values)))


def recoverable(request: Boolean) -> bool:
    """Whether a request can be made so, and does not say otherwise."""
    if request.multiple:
        return all(isinstance(each, Boolean) and recoverable(each) for each in request.operands)
    own = any(any(request.relations(name)) for name in ("two_phase", "save_state", "restart", "dry_run"))
    return request.operator == "&" and not own


def with_recovery(request: Boolean, seconds: int) -> Boolean:
    """The request with what makes a job that can be picked up again: it begins when it is told to within so many
    seconds, and is remembered after its end for hours, or until it is told that this is known.
    """
    wanted = (("two_phase", seconds), ("save_state", True))
    return Boolean(
        request.operator,
        (*request.operands, *(relation(name, value) for name, value in wanted if not any(request.relations(name)))),
    )


def _below(directory: str | None) -> Variable | Literal:
    return variable("HOME") if directory is None else Literal(directory)


def with_dryrun(request: Boolean) -> Boolean:
    """The request with all done but the last step."""
    return _within(request, lambda inner: [] if any(inner.relations("dryrun")) else [relation("dryrun", True)])


def _within(request: Boolean, wanted: Callable[[Boolean], list[Relation]]) -> Boolean:
    """Add relations to the innermost requests, which have none inside."""
    if not any(isinstance(operand, Boolean) for operand in request.operands):
        return request.with_first(*wanted(request))
    inner = (_within(each, wanted) if isinstance(each, Boolean) else each for each in request.operands)
    return Boolean(request.operator, tuple(inner))
