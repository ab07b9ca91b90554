"""Features as people have them: files of other programs, one or two a video."""
