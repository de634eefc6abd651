"""Makes the built-in example: a simulated peptide crystal, hidden frame weights and a noisy diffuse map.

Run ``python -m resources.make_example --out resources/example``. Everything is
made from scratch: the molecule from internal coordinates, the crystal by packing it in P 21 21 21, the frames by
molecular dynamics, the map by direct summation over atoms that shares no code with the program's own engine.
"""
