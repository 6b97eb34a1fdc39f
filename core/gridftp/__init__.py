# SPDX-License-Identifier: Apache-2.0
"""A GridFTP server of one's own: the C toolkit's, with a sound private configuration.

with Server(Settings(directory="/data/run7", read_only=True)) as server:
    print(server.url)
    server.wait()
"""

from pyglobus.core.gridftp.server import Server
from pyglobus.core.gridftp.settings import Settings

__all__ = ["Server", "Settings"]
