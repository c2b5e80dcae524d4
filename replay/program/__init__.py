"""The parent's side of a recorded program: it is started, recorded, answered and read here."""
