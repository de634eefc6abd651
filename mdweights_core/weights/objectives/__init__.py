"""What weights are fitted to: the agreement of a calculated with the observed map, behind one interface."""
