# SPDX-License-Identifier: Apache-2.0
"""Our commands and the C tools side by side, on a local grid: ``python -m benchmarks --help``."""
