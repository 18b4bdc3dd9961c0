"""The page of one patient: what is told, and how it is drawn."""
