# SPDX-License-Identifier: Apache-2.0
"""Each fault of the table, made for real: the right class, name, words and exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyglobus.cli.exits import ExitCode, code_of
from pyglobus.core import errors
from pyglobus.core.sandbox import Sandbox
from pyglobus.core.transfer import copy


@pytest.mark.parametrize(
    ("source", "destination", "kind", "code"),
    [
        ("absent", "copy", errors.NotFound, ExitCode.NOT_FOUND),
        (None, "absent/copy", errors.CannotCreate, ExitCode.CANNOT_CREATE),
    ],
)
def test_what_is_missing_is_told_from_where_it_should_go(
    source: str | None,
    destination: str,
    kind: type[errors.Error],
    code: ExitCode,
    grid: Sandbox,
    served: Path,
    tmp_path: Path,
) -> None:
    (tmp_path / "local").write_bytes(b"x")
    if source is None:
        ends = str(tmp_path / "local"), grid.ftp_url(served / destination)
    else:
        ends = grid.ftp_url(served / source), str(tmp_path / destination)
    with pytest.raises(kind) as caught:
        copy(*ends)
    assert caught.value.fault == "no-such-file"
    assert code_of(caught.value) == code
