# SPDX-License-Identifier: Apache-2.0
"""The Pythonic Globus: no click, no printing.

Importing this package costs nothing; its modules load what they need when they are used.
"""

from pyglobus.core.version import __version__

__all__ = ["__version__"]
