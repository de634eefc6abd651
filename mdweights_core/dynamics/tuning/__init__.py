"""Parameters fitted to ensemble observables, with priors, bounds, held-out data and what the data determine."""
