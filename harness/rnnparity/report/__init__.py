"""What was found, written and drawn for people and for programs. Nothing is computed or made here."""
