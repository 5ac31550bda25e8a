"""Maps of density matrices: the Liouvillian, motion without clicks, their action and their inverse."""
