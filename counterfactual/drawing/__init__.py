"""How runs are drawn: side by side, each noted, an arm grown draw by draw, steps found again in a branch."""
