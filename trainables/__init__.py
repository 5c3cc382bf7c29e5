"""Models of high-energy physics, ready to be tuned; each folder holds one, with its data."""
