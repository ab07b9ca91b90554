"""Planted worlds: features with known moments, for tests and measurements."""
