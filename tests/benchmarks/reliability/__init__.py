"""The harnesses of reliability and security, in a short form."""
