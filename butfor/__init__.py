"""But for this step, would the run have failed? Counterfactual replay for LLM multi-agent runs."""

__version__ = "0.1.0"
