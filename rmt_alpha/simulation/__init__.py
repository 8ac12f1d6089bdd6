"""Exact finite-size simulation: the witness of every formula."""
