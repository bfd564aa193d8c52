"""Meta-World's tasks (Yu et al. 2019) with the arm replaced by its hand, in MJX."""
