"""Manifests, weak labels, the feature store and examples: what a project holds and where it came from."""
