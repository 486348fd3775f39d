"""One module per problem; each says all that the line needs to know of it in a PROBLEM."""
