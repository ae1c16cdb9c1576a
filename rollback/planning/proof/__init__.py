"""The proof: every state a plan can reach is explored, and each promise is a predicate over them."""
