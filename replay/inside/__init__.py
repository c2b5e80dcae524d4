"""What runs inside the user's program: nothing but the standard library, and no import of the rest of butfor."""
