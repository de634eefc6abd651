"""The weight problem, its objectives and solvers, the fit and the figures that say whether to believe it."""
