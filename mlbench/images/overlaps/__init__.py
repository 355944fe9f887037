"""Images that two packed data sets both hold: found, kept, told and drawn."""
