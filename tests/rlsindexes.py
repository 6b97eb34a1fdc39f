# SPDX-License-Identifier: Apache-2.0
"""Servers that inform each other, and what an index says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pyglobus.core.rls import Client, Configuration
from pyglobus.core.rls.results import RlsAbsent
from pyglobus.core.rls.server import Server

#: Catalogues that nobody asks.
ONE, TWO = "rls://one.example.org", "rls://two.example.org"


def plain(directory: Path, name: str, **chosen: Any) -> Server:
    files: dict[str, Any] = {"lrc_dbname": str(directory / f"{name}.lrc"), "rli_dbname": str(directory / f"{name}.rli")}
    return Server(Configuration(authentication=False, port=0, **files | chosen))


def known(index: Client, name: str) -> list[str]:
    try:
        return [url for _, url in index.query_index(name)]
    except RlsAbsent:
        return []
