"""How fast keys, store, replays and graphs are, beside what else there is: `python -m butfor.scenarios.speed`."""
