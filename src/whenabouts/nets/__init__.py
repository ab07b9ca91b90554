"""Tensors in, tensors out: torch only, no files, no seconds."""
