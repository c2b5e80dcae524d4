"""The recorded run and its re-execution; knows nothing of interventions."""
