"""What is in a video: backbones, their training on weak labels, and features over time."""
