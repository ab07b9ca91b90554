"""Concepts in many videos: video models choose candidates, segment models rank their segments (Ma et al., 2019)."""
