"""To look at moments: pages, each one file that needs no network, and pictures."""
