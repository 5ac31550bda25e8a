"""States carried between clicks in a basis of a few hundred vectors, whatever N is, and audited."""
