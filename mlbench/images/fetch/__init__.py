"""Files that come from elsewhere: official downloads, and archives, which nobody vouches for."""
