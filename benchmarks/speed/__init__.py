"""How fast Refrain is: beside its peers, and where the time goes."""
