"""The data doctor: what cannot work with a project's files, labels and features, and why."""
