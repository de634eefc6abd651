"""Frames side by side: threads, processes, clusters."""
