"""Studies on a cluster: sites, batch jobs, the Ray cluster of a job, and sessions with it from elsewhere."""
