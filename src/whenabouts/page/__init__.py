"""Pages to look at moments: one file that needs no network."""
