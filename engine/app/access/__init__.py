"""Who may do what from outside: claims of attempts, tokens, and what is exchanged for them."""
