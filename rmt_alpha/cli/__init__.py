"""The commands of `rmt-alpha`, a file each; `rmt_alpha.cli` lists and runs them."""
