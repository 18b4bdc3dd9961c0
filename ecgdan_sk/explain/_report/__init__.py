"""The page of one patient: its content and its drawings."""
