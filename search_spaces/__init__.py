"""The search spaces that come with raise-hpo, one YAML file each."""
