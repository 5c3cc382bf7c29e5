"""What `benchmarks/data.py` compares, a way of reading a module."""
