# SPDX-License-Identifier: Apache-2.0
"""What is made of a job's description before it is sent: a command as a request, and what globusrun adds to one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pyglobus.core import errors
from pyglobus.core.rsl.tree import Boolean, Relation, conjunction, literal, relation, variable

#: The variable by which a request refers to the files of whoever has submitted it.
GASS_URL = "GLOBUSRUN_GASS_URL"

# A shell's name, $0, is the file to write to; its arguments are the program.
_TELLING = '"$@"; status=$?; echo $status >"$0"; exit $status'


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


def with_output(request: Boolean) -> Boolean:
    """The request with its output going to the files of whoever has submitted it, where it does not say otherwise."""

    def missing(inner: Boolean) -> list[Relation]:
        return [
            relation(name, variable(GASS_URL) + f"/dev/{name}")
            for name in ("stdout", "stderr")
            if not any(inner.relations(name))
        ]

    return _within(request, missing)


def with_gass(request: Boolean, url: str) -> Boolean:
    """The request with `GASS_URL` defined."""
    return _within(request, lambda _: [relation("rsl_substitution", [GASS_URL, url])])


def with_status(request: Boolean, path: str) -> Boolean:
    """The request with the exit status of its program, in digits, put to ``path`` of `GASS_URL` at the end.

    Most job managers do not know it: a shell runs the program and writes the number to a scratch directory, from which
    it is staged out. A program that a signal has ended counts as 128 and the signal's number. Raises
    `errors.UsageError` for a request that this cannot be done for.
    """
    if request.operator != "&" or any(isinstance(operand, Boolean) for operand in request.operands):
        raise errors.UsageError(
            "cannot tell the exit status", why="the description is not a plain one", fault="bad-rsl"
        )
    found = {name: list(request.relations(name)) for name in ("executable", "arguments", "file_stage_out", "count")}
    if any(str(value) != '"1"' for each in found["count"] for value in each.values):
        raise errors.UsageError("cannot tell the exit status", why="the job is several processes", fault="bad-rsl")
    if len(found["executable"]) != 1 or any(len(each) > 1 for each in found.values()):
        raise errors.UsageError("cannot tell the exit status", why="it must name one executable", fault="bad-rsl")
    program = (*found["executable"][0].values, *(value for each in found["arguments"] for value in each.values))
    stages = tuple(value for each in found["file_stage_out"] for value in each.values)
    place = variable("SCRATCH_DIRECTORY") + "/status"
    replaced = {id(each) for name in ("executable", "arguments", "file_stage_out") for each in found[name]}
    made = [
        relation("executable", "/bin/sh"),
        Relation("arguments", "=", (literal("-c"), literal(_TELLING), place, *program)),
        relation("file_stage_out", [place, variable(GASS_URL) + path], *stages),
    ]
    if not any(request.relations("scratch_dir")):
        made.append(relation("scratch_dir", variable("HOME")))
    return Boolean("&", (*(each for each in request.operands if id(each) not in replaced), *made))


def with_dryrun(request: Boolean) -> Boolean:
    """The request with all done but the last step."""
    return _within(request, lambda inner: [] if any(inner.relations("dryrun")) else [relation("dryrun", True)])


def _within(request: Boolean, wanted: Callable[[Boolean], list[Relation]]) -> Boolean:
    """Add relations to the innermost requests, which have none inside."""
    if not any(isinstance(operand, Boolean) for operand in request.operands):
        return request.with_first(*wanted(request))
    inner = (_within(each, wanted) if isinstance(each, Boolean) else each for each in request.operands)
    return Boolean(request.operator, tuple(inner))
