"""Learning from what people decide, and measuring what that has brought."""
