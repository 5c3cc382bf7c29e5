"""UCluster: unsupervised clustering of jets in the latent space of a graph network, and its anomaly detection."""
