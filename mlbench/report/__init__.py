"""What people read: frames turned into tables."""
