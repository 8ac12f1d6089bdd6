"""Closed forms and fixed points of the high-dimensional limit."""
