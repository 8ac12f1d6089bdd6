"""The explorer's page, piece by piece: its state, its numbers, its pictures. `notebooks/explore.py` puts them together."""
