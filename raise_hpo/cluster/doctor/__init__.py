"""The preflight check of a site: facts are gathered on the login node and on compute nodes, and judged afterwards.

What gathers: `login_facts`, and `probe` with `node_facts`, `peers`, `collectives` and `ray_start` on the nodes.
What judges, without looking at anything but facts: `login`, `nodes`, `between`.
"""
