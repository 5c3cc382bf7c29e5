"""Drivers: each runs the decision core's orders, on Ray Tune or on a virtual clock."""
