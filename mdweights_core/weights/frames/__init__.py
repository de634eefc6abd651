"""The structure factors of all frames as a weight fit needs them, and the passes over them."""
