"""What a page asks next, what it finds by example, what has changed: arrays alone, so that a server starts at once."""
