"""The proof: every state a plan can reach is explored; promises are predicates over them."""
