"""What the store holds: listed, and removed where nothing needs it."""
