# SPDX-License-Identifier: Apache-2.0
"""What the manual page says of names at servers, shown with real ones: why a line break is refused, what a file that is
replaced loses, and what -g2 changes.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from pyglobus.core.sandbox import Sandbox, Server
from tests.conftest import CommandRunner

#: A name whose second half is a line of a listing (RFC 3659).
FORGED = "%0AType=file;Size=7;Modify=20200101000000;UNIX.mode=0644;%20forged"


@pytest.fixture
def sent(tmp_path: Path) -> Path:
    path = tmp_path / "from" / "sent"
    path.parent.mkdir()
    path.write_text("content")
    return path


@pytest.fixture
def there(served: Path) -> Path:
    served.chmod(0o777)
    return served


@pytest.mark.parametrize("broken", ["%0A", "%0D", "%0D%0A"])
@pytest.mark.parametrize("scheme", ["gsiftp", "ftp"])
def test_a_line_break_is_refused_before_anything_is_sent(
    broken: str, scheme: str, grid: Sandbox, there: Path, sent: Path, copy: CommandRunner
) -> None:
    url = (grid.gsiftp_url if scheme == "gsiftp" else grid.ftp_url)(there)
    done = copy(sent, f"{url}/x{broken}y", check=False)
    assert (done.returncode, list(there.iterdir())) == (2, [])
    assert "line break" in done.stderr


def test_globus_url_copy_stores_it_under_another_name(
    grid: Sandbox, there: Path, sent: Path, url_copy: CommandRunner
) -> None:
    """Over GSI: the server ends the name where the line ends, and the C tool's status is 0."""
    url_copy(f"file://{sent}", f"{grid.gsiftp_url(there)}/name%0D%0Arest")
    assert [path.name for path in there.iterdir()] == ["name"]


def test_a_listing_with_it_tells_of_files_that_are_not_there(
    grid: Sandbox, there: Path, sent: Path, copy: CommandRunner, url_copy: CommandRunner, tmp_path: Path
) -> None:
    """To whoever reads it by lines; nothing is made of that, but the tree does not arrive as a whole either."""
    url_copy(f"file://{sent}", f"{grid.gsiftp_url(there)}/real{FORGED}")
    assert len(list(there.iterdir())) == 1
    assert copy("-list", f"{grid.gsiftp_url(there)}/").stdout.split()[1:] == ["real", "forged"]
    done = copy("-r", "-cd", f"{grid.gsiftp_url(there)}/", f"{tmp_path}/back/", check=False)
    assert done.returncode == 66
    assert list((tmp_path / "back").iterdir()) == []


@pytest.mark.parametrize("flags", [(), ("--inplace",)], ids=["replaced", "in place"])
def test_what_a_replaced_file_at_a_server_loses(
    flags: tuple[str, ...], grid: Sandbox, there: Path, sent: Path, copy: CommandRunner
) -> None:
    """A second hard link keeps the old content, and a link that leads nowhere is gone; not so with --inplace."""
    (there / "sent").write_text("old")
    (there / "sent").chmod(0o666)
    if os.geteuid() == 0:
        os.chown(there / "sent", *((status := there.stat()).st_uid, status.st_gid))
    os.link(there / "sent", there / "second")
    (there / "dangling").symlink_to("nowhere")
    (sent.parent / "dangling").write_text("content")
    copy("-r", *flags, f"{sent.parent}/", f"{grid.gsiftp_url(there)}/")
    names = {path.name: (path.is_symlink(), path.read_text()) for path in there.iterdir()}
    whole = (False, "content")
    expected = {"sent": whole, "second": whole if flags else (False, "old")}
    if flags:
        expected |= {"dangling": (True, "content"), "nowhere": whole}
    else:
        expected |= {"dangling": whole}
    assert names == expected


@pytest.mark.parametrize("direction", ["put", "get", "third party"])
def test_g2_makes_no_difference_where_the_server_lacks_it(
    direction: str, grid: Sandbox, second_server: Server, there: Path, sent: Path, copy: CommandRunner
) -> None:
    """The toolkit's own server does not name GETPUT; what goes over the wire are the commands of version 1."""
    (there / "far").write_text("content")
    (there / "far").chmod(0o644)
    far, new = grid.gsiftp_url(there / "far"), there / "new"
    target = grid.gsiftp_url(new, second_server)
    source, destination = {
        "put": (str(sent), target), "get": (far, str(sent.parent / "new")), "third party": (far, target),
    }[direction]  # fmt: skip
    log = copy("-g2", "-dbg", source, destination).stderr
    assert "GETPUT" not in log
    assert not re.search("(?m)^(?:GET|PUT) ", log)
    assert re.search("(?m)^(?:RETR|STOR|ERET|ESTO) ", log)
    assert (sent.parent / "new" if direction == "get" else new).read_text() == "content"
