"""Reading the log first: which steps look like the decisive error, and why. Nothing is run again."""
