"""Studies on a cluster: the session of a client, and the shares of several studies."""
