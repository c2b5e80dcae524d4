"""What the importers share: fields, messages, spans, edges, archives."""
