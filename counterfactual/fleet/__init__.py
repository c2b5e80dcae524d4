"""Many runs: audited together, and a fix tried on all of them."""
