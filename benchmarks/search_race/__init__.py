"""A race of searchers and schedulers, ours and other packages', on the same learning curves and virtual clock."""
