"""Learning from what people decide: what to ask next, what is like an example, what learning again has brought."""
