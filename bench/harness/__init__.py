# SPDX-License-Identifier: Apache-2.0
"""The parts of bench/run: what is set up, what is measured and how it is shown."""
