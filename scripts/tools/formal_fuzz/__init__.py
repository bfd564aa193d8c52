"""The fuzzer of the formal reward's compiler: programs, their run under NumPy, and the judge."""
