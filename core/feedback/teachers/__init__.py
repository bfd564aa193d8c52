"""Teachers: scripted, and a vision-language model."""
