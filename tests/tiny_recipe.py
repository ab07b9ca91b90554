"""Nets so small that the whole road can be walked in a test."""

TINY_RECIPE = """
[vocabulary]
min_count = 1
[backbone]
widths = [4]
blocks = [1]
stem = 4
short_side = 16
frames = 4
[pretrain]
steps = 2
batch = 4
[train]
localizer = "winners-out"
epochs = 2
attentions = 2
"""
