"""One verb per file; each reads what the verb before wrote, works, and says in one line what it wrote."""
