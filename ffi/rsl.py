# SPDX-License-Identifier: Apache-2.0
"""globus_rsl: text to trees, as plain tuples. The functions here run in the engine's thread.

A tree is ``(operator, [tree, ...])`` for a boolean, ``(operator, attribute, [value, ...])`` for a relation. A value is
bytes, a list of values for a sequence, ``("$", [value, ...])`` for a variable, ``("#", left, right)`` for a
concatenation. Operators are the text that stands for them.
"""

from __future__ import annotations

from pyglobus.ffi import ffi, lib
from pyglobus.ffi.annotation import Any
from pyglobus.ffi.engine import engine

OPERATORS = {
    lib.GLOBUS_RSL_EQ: "=",
    lib.GLOBUS_RSL_NEQ: "!=",
    lib.GLOBUS_RSL_GT: ">",
    lib.GLOBUS_RSL_GTEQ: ">=",
    lib.GLOBUS_RSL_LT: "<",
    lib.GLOBUS_RSL_LTEQ: "<=",
    lib.GLOBUS_RSL_AND: "&",
    lib.GLOBUS_RSL_OR: "|",
    lib.GLOBUS_RSL_MULTIREQ: "+",
}


def parse(text: bytes) -> Any:
    """The tree that the text describes, or None if it is not RSL. A NUL would end it: there must be none."""
    engine().require()
    tree = lib.globus_rsl_parse(ffi.new("char[]", text))
    if tree == ffi.NULL:
        return None
    try:
        return _specification(tree)
    finally:
        lib.globus_rsl_free_recursive(tree)


def _specification(tree: Any) -> Any:
    if lib.globus_rsl_is_boolean(tree):
        operands = _items(lib.globus_rsl_boolean_get_operand_list(tree), "globus_rsl_t *")
        return OPERATORS[lib.globus_rsl_boolean_get_operator(tree)], [_specification(operand) for operand in operands]
    return (
        OPERATORS[lib.globus_rsl_relation_get_operator(tree)],
        ffi.string(lib.globus_rsl_relation_get_attribute(tree)),
        _value(lib.globus_rsl_relation_get_value_sequence(tree)),
    )


def _value(value: Any) -> Any:
    if lib.globus_rsl_value_is_literal(value):
        return ffi.string(lib.globus_rsl_value_literal_get_string(value))
    if lib.globus_rsl_value_is_sequence(value):
        values = _items(lib.globus_rsl_value_sequence_get_value_list(value), "globus_rsl_value_t *")
        return [_value(each) for each in values]
    if lib.globus_rsl_value_is_variable(value):
        return "$", _value(lib.globus_rsl_value_variable_get_sequence(value))
    left, right = lib.globus_rsl_value_concatenation_get_left, lib.globus_rsl_value_concatenation_get_right
    return "#", _value(left(value)), _value(right(value))


def _items(rest: Any, kind: str) -> list[Any]:
    found = []
    while not lib.globus_list_empty(rest):
        found.append(ffi.cast(kind, lib.globus_list_first(rest)))
        rest = lib.globus_list_rest(rest)
    return found
