"""Training on the device: seed state, stages, devices."""
