"""Image programs under OpenCV, pictures for them, and generated ones."""
