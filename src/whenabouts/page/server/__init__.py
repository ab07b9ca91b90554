"""The server of the page: a project in memory, questions and decisions over HTTP, nothing loaded from elsewhere."""
