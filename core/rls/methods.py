# SPDX-License-Identifier: Apache-2.0
"""The methods of the protocol: one table, from which requests are read, permitted and sent to what serves them.

A request is a method's name and its parameters, each a string that ends with NUL. There are no counts on the wire, so
how many strings belong to a request only this table tells: ``fixed`` ones, and for a bulk method groups of ``group``
strings each, up to an empty string where a group would begin.
"""

from __future__ import annotations

import enum
from typing import NamedTuple


class Permission(enum.Enum):
    """What a line of an access list gives."""

    LRC_READ = "lrc_read"
    LRC_UPDATE = "lrc_update"
    RLI_READ = "rli_read"
    RLI_UPDATE = "rli_update"
    ADMIN = "admin"
    STATS = "stats"


class Kind(enum.Enum):
    """How much work a method is, and so where it is done."""

    POINT = enum.auto()
    """Some rows by their key: microseconds."""
    SCAN = enum.auto()
    """Perhaps all rows."""
    CHANGE = enum.auto()
    """It writes."""
    SERVER = enum.auto()
    """It is about the server, not about what it holds."""


class Method(NamedTuple):
    """One row of the table. ``reply``: strings of one record after code 0, 0 for none; ``ends``: whether the records
    end with a mark.
    """

    name: str
    fixed: int
    group: int
    permission: Permission | None
    kind: Kind
    reply: int = 0
    ends: bool = False


_P, _S, _C, _V = Kind.POINT, Kind.SCAN, Kind.CHANGE, Kind.SERVER
_READ, _UPDATE = Permission.LRC_READ, Permission.LRC_UPDATE
_IREAD, _IUPDATE = Permission.RLI_READ, Permission.RLI_UPDATE

_ROWS = (
    Method("close", 0, 0, None, _V),
    Method("admin", 1, 0, Permission.ADMIN, _V),
    Method("get_configuration", 1, 0, Permission.ADMIN, _V, 2, True),
    Method("set_configuration", 2, 0, Permission.ADMIN, _V),
    Method("pyglobus1_protect", 0, 0, None, _V),
    Method("stats", 0, 0, Permission.STATS, _S, 12),
    # Mappings
    Method("lrc_create", 2, 0, _UPDATE, _C),
    Method("lrc_add", 2, 0, _UPDATE, _C),
    Method("lrc_delete", 2, 0, _UPDATE, _C),
    Method("lrc_create_bulk", 0, 2, _UPDATE, _C, 3, True),
    Method("lrc_add_bulk", 0, 2, _UPDATE, _C, 3, True),
    Method("lrc_delete_bulk", 0, 2, _UPDATE, _C, 3, True),
    Method("lrc_clear", 0, 0, _UPDATE, _C),
    Method("lrc_exists", 2, 0, _READ, _P),
    Method("lrc_exists_bulk", 1, 1, _READ, _P, 3, True),
    Method("lrc_mapping_exists", 2, 0, _READ, _P, 1),
    Method("lrc_get_pfn", 3, 0, _READ, _P, 2, True),
    Method("lrc_get_lfn", 3, 0, _READ, _P, 2, True),
    Method("lrc_get_pfn_wc", 3, 0, _READ, _S, 2, True),
    Method("lrc_get_lfn_wc", 3, 0, _READ, _S, 2, True),
    Method("lrc_get_pfn_bulk", 0, 1, _READ, _P, 3, True),
    Method("lrc_get_lfn_bulk", 0, 1, _READ, _P, 3, True),
    Method("lrc_renamelfn", 2, 0, _UPDATE, _C),
    Method("lrc_renamepfn", 2, 0, _UPDATE, _C),
    Method("lrc_renamelfn_bulk", 0, 2, _UPDATE, _C, 3, True),
    Method("lrc_renamepfn_bulk", 0, 2, _UPDATE, _C, 3, True),
    # Attributes
    Method("lrc_attr_create", 3, 0, _UPDATE, _C),
    Method("lrc_attr_delete", 3, 0, _UPDATE, _C),
    Method("lrc_attr_get", 2, 0, _READ, _P, 2, True),
    Method("lrc_attr_add", 5, 0, _UPDATE, _C),
    Method("lrc_attr_add_bulk", 0, 5, _UPDATE, _C, 3, True),
    Method("lrc_attr_modify", 5, 0, _UPDATE, _C),
    Method("lrc_attr_remove", 3, 0, _UPDATE, _C),
    Method("lrc_attr_remove_bulk", 0, 3, _UPDATE, _C, 3, True),
    Method("lrc_attr_value_get", 3, 0, _READ, _P, 3, True),
    Method("lrc_attr_value_get_bulk", 2, 1, _READ, _P, 5, True),
    Method("lrc_attr_search", 7, 0, _READ, _S, 3, True),
    # Where a catalogue sends its names
    Method("lrc_rli_add", 3, 0, Permission.ADMIN, _C),
    Method("lrc_rli_delete", 2, 0, Permission.ADMIN, _C),
    Method("lrc_rli_get_part", 2, 0, _READ, _P, 2, True),
    Method("lrc_rli_info", 1, 0, _READ, _P, 4),
    Method("lrc_rli_list", 0, 0, _READ, _P, 4, True),
    # The index
    Method("rli_exists", 2, 0, _IREAD, _P),
    Method("rli_exists_bulk", 1, 1, _IREAD, _P, 2, True),
    Method("rli_mapping_exists", 2, 0, _IREAD, _P, 1),
    Method("rli_get_lrc", 3, 0, _IREAD, _P, 2, True),
    Method("rli_get_lrc_wc", 3, 0, _IREAD, _S, 2, True),
    Method("rli_get_lrc_bulk", 0, 1, _IREAD, _P, 3, True),
    Method("rli_lrc_list", 0, 0, _IREAD, _P, 2, True),
    Method("rli_sender_list", 0, 0, _IREAD, _P, 2, True),
    # Where an index passes on what it is told
    Method("rli_rli_add", 2, 0, Permission.ADMIN, _C),
    Method("rli_rli_delete", 2, 0, Permission.ADMIN, _C),
    Method("rli_rli_get_part", 2, 0, _IREAD, _P, 2, True),
    Method("rli_rli_list", 0, 0, _IREAD, _P, 4, True),
    # Our own: a catalogue tells an index its names (manual, UPDATES ON THE WIRE)
    Method("pyglobus1_update_begin", 4, 0, _IUPDATE, _C, 1),
    Method("pyglobus1_update_names", 2, 1, _IUPDATE, _C),
    Method("pyglobus1_update_end", 2, 0, _IUPDATE, _C),
    Method("pyglobus1_update_changes", 2, 2, _IUPDATE, _C),
    Method("pyglobus1_filter_begin", 6, 0, _IUPDATE, _C, 1),
    Method("pyglobus1_filter_pieces", 3, 1, _IUPDATE, _C),
    Method("pyglobus1_filter_end", 2, 0, _IUPDATE, _C),
)

#: By name, as it stands on the wire.
METHODS = {row.name.encode(): row for row in _ROWS}
