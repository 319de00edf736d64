"""Faults injected into the real parts; ledgers on both ends count what was lost, doubled or wrong."""
