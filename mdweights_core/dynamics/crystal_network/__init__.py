"""Springs of a protein crystal from its diffuse map: an elastic network of a unit cell, in closed form.

units.py        the crystal as small rigid units and their images
springs.py      springs between units, by class
motions.py      covariances of displacements, and their derivatives
intensities.py  diffuse intensities of moving units, to all orders, and their derivatives
liquid.py       liquid-like motions, the model of two parameters to compare with
comparison.py   what is compared: reflections, held-out ones, correlations
least_squares.py  springs fitted; fit.py  the whole job; draws.py  frames of the tuned ensemble
"""
