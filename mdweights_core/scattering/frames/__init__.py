"""Frames on their way into the crystal's cell: boxes, drift, whole molecules, and what is said of them."""
