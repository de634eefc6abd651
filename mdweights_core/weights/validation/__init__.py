"""Why to believe a fit: held-out folds, restarts, theta scan, bootstrap, influence, and the verdict in words."""
