"""panda-gym's tasks: a Franka arm reaches, pushes and slides, with pictures inside jit."""
