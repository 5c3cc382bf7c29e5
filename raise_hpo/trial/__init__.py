"""The trial seam: the author's `Trainable`, the group of workers that trains it, its checkpoints and its failures."""
