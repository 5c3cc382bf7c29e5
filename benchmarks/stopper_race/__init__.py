"""Schedulers with and without the stopper, on the same trials."""
