"""What a run's programs will cost on accelerators that are not there, by compiling for them."""
