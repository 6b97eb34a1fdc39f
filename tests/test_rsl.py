# SPDX-License-Identifier: Apache-2.0
"""RSL: what the C library reads, what we make for it, and where a text goes wrong."""

from __future__ import annotations

import contextlib
import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyglobus.core import errors, rsl
from pyglobus.core.rsl import Boolean, Concatenation, Literal, Relation, Sequence, Variable
from pyglobus.core.rsl.position import fault
from pyglobus.ffi import rsl as library
from pyglobus.ffi.engine import engine

names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8) | st.sampled_from(
    ['"', "it's", "a b", "", "$(X)", "(*", "#", "ünïcode", "\udcff", "^", "\n", "\\"]
)
literals = st.builds(Literal, names)
simple = st.recursive(
    literals,
    lambda inner: st.builds(Variable, inner, st.none() | inner) | st.builds(Concatenation, inner, inner),
    max_leaves=5,
)
values: Any = st.recursive(
    simple, lambda inner: st.lists(inner, min_size=1, max_size=3).map(lambda of: Sequence(tuple(of))), max_leaves=5
)
relations = st.builds(
    Relation,
    names,
    st.sampled_from(["=", "!=", ">", ">=", "<", "<="]),
    st.lists(values, min_size=1, max_size=3).map(tuple),
)
trees: Any = st.recursive(
    relations,
    lambda inner: st.builds(
        Boolean, st.sampled_from("&|+"), st.lists(inner, min_size=1, max_size=4).map(lambda of: tuple(of))
    ),
    max_leaves=6,
)


@settings(max_examples=60)
@given(trees)
def test_the_library_reads_our_text_as_our_tree(tree: Any) -> None:
    assert rsl.parse(str(tree)) == tree


PARTS = [*"&|+()=<>!#$\"'^* \na\nb", "(*", "*)", "$(", "^x", "!=", "x"]


@settings(max_examples=300)
@given(st.lists(st.sampled_from(PARTS), max_size=14))
def test_what_we_take_the_library_takes(parts: list[str]) -> None:
    """The reverse holds but for what the library overlooks: after a whole request it stops at the first character it
    does not know, and at a quote or comment without an end. Such a text has lost its end, and we refuse it.
    """
    text = "".join(parts)
    read = engine().submit(library.parse, os.fsencode(text) + b"\n").result()
    found = fault(text)
    if read is None:
        assert found is not None
    elif found is not None:
        assert found.why.startswith(("nothing may follow", "this quote has no end", "this comment has no end"))


@given(st.text(st.characters(codec="utf-8"), max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(errors.UsageError):
        rsl.parse(text)


@pytest.mark.parametrize(
    ("text", "where", "why"),
    [
        ("&(executable=/bin/echo", "line 1, column 2", "this bracket is not closed"),
        ("&(a b)", "line 1, column 5", "an operator such as = must follow the attribute, not 'b'"),
        ("&(a=)", "line 1, column 5", "a value must follow the operator, not ')'"),
        ("&", "line 1, column 2", "a request in brackets must follow, not the end"),
        ("", "line 1, column 1", "an attribute must stand here, or one of & | +, not the end"),
        ("&(a=$x)", "line 1, column 6", "a name in brackets must follow $, not 'x'"),
        ("&(a='x)\n(b=c)", "line 1, column 5", "this quote has no end"),
        ("&(a=b)\n  (c d)", "line 2, column 6", "an operator such as = must follow the attribute, not 'd'"),
        ("&(a=b)\n(* never", "line 2, column 1", "this comment has no end"),
        ("&(a=(b)", "line 1, column 2", "this bracket is not closed"),
        ("&(a=b))", "line 1, column 7", "nothing may follow the request, not ')'"),
        ("&(a=b#)", "line 1, column 7", "a value must follow #"),
        ("&" + "(&" * 1200, "line 1, column 201", "too many brackets in brackets"),
    ],
)
def test_a_fault_is_found_where_it_is(text: str, where: str, why: str) -> None:
    with pytest.raises(errors.UsageError) as refused:
        rsl.parse(text)
    assert refused.value.where == where
    assert refused.value.why is not None
    assert refused.value.why.startswith(why)
    assert refused.value.fault == "bad-rsl"


def test_what_is_read_is_what_was_meant() -> None:
    text = '''&(executable=/bin/echo) (* what to run *)
        (Arguments = a "b ""c""" 'it' ^%50%%%) (env=(A b)(C $(HOME)/x)) (max_time >= $(T 5))'''
    tree = rsl.parse(text)
    assert tree == rsl.Boolean(
        "&",
        (
            rsl.relation("executable", "/bin/echo"),
            rsl.relation("Arguments", "a", 'b "c"', "it", "50%"),
            rsl.relation("env", ["A", "b"], ["C", rsl.variable("HOME") + "/x"]),
            rsl.relation("max_time", rsl.variable("T", 5), operator=">="),
        ),
    )
    assert [found.attribute for found in tree.relations("max-time")] == []
    assert [found.attribute for found in tree.relations("MaxTime")] == ["max_time"]


def test_a_request_is_built_without_writing_rsl() -> None:
    made = rsl.conjunction(
        executable="/bin/sh", arguments=["-c", 'echo "$1"'], count=2, dryrun=False, environment={"A": "b c"}
    )
    assert str(made) == (
        '&("executable" = "/bin/sh")("arguments" = "-c" "echo ""$1""")("count" = "2")("dryrun" = "no")'
        '("environment" = ("A" "b c"))'
    )
    more = made.with_first(rsl.relation("stdin", "/dev/null"), rsl.relation("queue", "short"))
    assert [str(operand).split()[0] for operand in more.operands[:3]] == ['"queue"', '"stdin"', '"executable"']


def test_concatenation_is_one_whichever_way_it_was_made() -> None:
    a, b, c = (rsl.literal(letter) for letter in "abc")
    assert (a + b) + c == a + (b + c) == rsl.literal("a") + "b" + "c"
    assert "/" + rsl.variable("X") == Concatenation(Literal("/"), Variable(Literal("X")))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: rsl.literal("a\0b"),
        lambda: rsl.literal(object()),
        lambda: rsl.relation("a"),
        lambda: rsl.relation("a", []),
        lambda: rsl.relation("a", "b", operator="=="),
        lambda: Boolean("-", (rsl.relation("a", "b"),)),
        lambda: Boolean("&", ()),
        lambda: rsl.parse("&(a=b\0c)"),
        lambda: rsl.parse("&(a=$(X y z))"),
    ],
)
def test_what_is_no_rsl_is_not_made(wrong: Any) -> None:
    with pytest.raises(errors.UsageError):
        wrong()


def test_a_long_request_is_read() -> None:
    words = ["x" * 1000] * 66
    tree = rsl.conjunction(arguments=words)
    assert len(str(tree)) > 65536
    assert rsl.parse(str(tree)) == tree
