"""Moments in the formats of other programs."""
