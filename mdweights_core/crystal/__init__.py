"""Cell, Miller lattice, Laue groups, resolution shells, the anisotropic operator, slices and reindexing."""
