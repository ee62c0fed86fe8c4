"""How sharp is the verdict? Planted mistakes, counted."""
