"""One module per output kind that several problems may name; a problem may also bring its own."""
