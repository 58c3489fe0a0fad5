"""Faults at random, and whether exports survive them: every process is real, so is every fault.

    make chaos SEED=1 ROUNDS=20

``clients`` ask for exports and download them, ``faults`` break what makes them, ``truth`` knows by another way what the
rows of each version of the warehouse are, and ``checking`` compares after each round. ``running`` puts them together.
"""
