"""Frames of simulations in files of all formats, and their atoms."""
