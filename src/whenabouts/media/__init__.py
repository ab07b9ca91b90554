"""Files to pixels and waves, on the presentation clock."""
