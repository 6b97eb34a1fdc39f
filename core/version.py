# SPDX-License-Identifier: Apache-2.0
"""The version of pyglobus, in the one place that the build, the package and the commands read."""

__version__ = "0.1.0"
