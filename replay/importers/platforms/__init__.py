"""Sessions and events as platforms for agents keep them."""
