"""Three of CLIPort's table-top tasks as states and rules of settling, without a physics engine."""
