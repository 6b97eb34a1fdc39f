# SPDX-License-Identifier: Apache-2.0
"""A local grid for trying things, for reproducing a site's fault, and for tests: see `Sandbox`."""

from pyglobus.core.sandbox.credentials import User
from pyglobus.core.sandbox.sandbox import Sandbox
from pyglobus.core.sandbox.server import Server

__all__ = ["Sandbox", "Server", "User"]
