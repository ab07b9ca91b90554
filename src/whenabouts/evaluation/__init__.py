"""Nouns and files -> numbers: pure functions, numpy only, each after a named official protocol."""
