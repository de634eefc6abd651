"""What weights mean: pseudo-energies, what they go with, clusters, and how good frames differ from bad ones."""
