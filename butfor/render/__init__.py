"""Drawing only: what a person sees, on a terminal, in Markdown and in HTML."""
