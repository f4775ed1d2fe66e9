"""Benches of the platform, each beside its reference (docs/performance.md)."""
