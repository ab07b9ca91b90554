"""YouTube-8M's records: framing, protos, frames, shards and class tables, without TensorFlow."""
