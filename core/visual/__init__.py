"""Pictures of episodes and questions."""
