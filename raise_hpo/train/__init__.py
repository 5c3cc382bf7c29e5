"""The long training of one configuration, by Ray Train: many nodes, early stopping, and restarts that cost little."""
