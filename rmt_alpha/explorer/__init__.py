"""The explorer's page, piece by piece: its state, its numbers, its pictures. `page` puts them together."""
